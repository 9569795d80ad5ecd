@echo off
rem Installs harness, the tracer of coding agents, for Windows. Same steps as install.sh: the
rem code, an environment of its own, the agent's hooks, the settings. Run it again to update.
rem
rem     install.bat claude
rem
rem Needs Python 3.9 or newer. curl.exe and tar.exe come with Windows 10 and later.
setlocal EnableExtensions DisableDelayedExpansion

set "repository_default=https://github.com/<owner>/coding-harness-tracing"
set "command="
set "agents="
set "yes="
set "backend="
set "skills="
set "branch="
set "store="

:arguments
if "%~1"=="" goto checked
if /i "%~1"=="--help" goto usage
if /i "%~1"=="-h" goto usage
if /i "%~1"=="--yes" goto take_yes
if /i "%~1"=="--with-skills" goto take_skills
if /i "%~1"=="--backend" goto take_backend
if /i "%~1"=="--branch" goto take_branch
if /i "%~1"=="--keep-store" goto take_store
if /i "%~1"=="--delete-store" goto take_store
if /i "%~1"=="--all" goto next
if /i "%~1"=="update" goto take_command
if /i "%~1"=="uninstall" goto take_command
set "word=%~1"
if "%word:~0,1%"=="-" goto unknown_option
set "agents=%agents% %word%"
goto next
:take_yes
set "yes=--yes"
goto next
:take_skills
set "skills=yes"
goto next
:take_backend
if "%~2"=="" goto no_value
set "backend=--backend %~2"
shift
goto next
:take_branch
if "%~2"=="" goto no_value
set "branch=%~2"
shift
goto next
:take_store
set "store=%~1"
goto next
:take_command
set "command=%~1"
:next
shift
goto arguments

:checked
if "%command%%agents%"=="" goto no_agent
set "home=%ARIZE_HARNESS_HOME%"
if "%home%"=="" set "home=%USERPROFILE%\.arize\harness"
set "harness=%home%\bin\harness.cmd"
if /i "%command%"=="uninstall" goto uninstall

rem --- a real Python: asked for its own path it answers, which the Store's stub does not
set "python="
call :ask py -3
if not defined python call :ask python
if not defined python call :ask python3
if not defined python goto no_python

if not exist "%home%\bootstrap\" mkdir "%home%\bootstrap" 2>nul
if not exist "%home%\bootstrap\" goto no_home

rem --- the code: the checkout this lies in, else git, else a tarball
set "repository=%HARNESS_REPOSITORY%"
set "code=%~dp0."
if "%repository%%branch%"=="" if exist "%~dp0python\src\harness_tracing\bootstrap.py" goto build
if not "%repository%"=="" goto named
if /i "%command%"=="update" call :origin
if "%repository%"=="" set "repository=%repository_default%"
:named
if not "%branch%"=="" goto fetch
if not "%repository:~1,1%"==":" goto fetch
if exist "%repository%\python\src\harness_tracing\bootstrap.py" goto of_folder
:fetch
set "code=%home%\bootstrap\source"
if exist "%code%\" rmdir /s /q "%code%"
echo Fetching %repository% 1>&2
set "which="
if not "%branch%"=="" set "which=--branch %branch%"
git clone --quiet --depth 1 %which% -- "%repository%" "%code%" 1>nul 2>nul
if exist "%code%\python\src\harness_tracing\bootstrap.py" goto build
if exist "%code%\" rmdir /s /q "%code%"
mkdir "%code%"
set "which=HEAD"
if not "%branch%"=="" set "which=%branch%"
curl.exe -fsSL -o "%code%.tar.gz" "%repository%/archive/%which%.tar.gz" 2>nul
if exist "%code%.tar.gz" tar.exe -xzf "%code%.tar.gz" -C "%code%" --strip-components 1
if exist "%code%.tar.gz" del "%code%.tar.gz"
if exist "%code%\python\src\harness_tracing\bootstrap.py" goto build
rmdir /s /q "%code%"
goto no_code
:of_folder
set "code=%repository%"

:build
call "%python%" -I -B -c "import sys; sys.path.insert(0, sys.argv.pop(1)); from harness_tracing.bootstrap import main; sys.exit(main(sys.argv[1:]))" "%code%\python\src" --home "%home%" --wait
if errorlevel 1 goto no_environment
rem What `harness update` runs. Not over itself: cmd reads a script while it runs it.
if /i not "%~f0"=="%home%\bootstrap\install.bat" copy /y "%code%\install.bat" "%home%\bootstrap\install.bat" >nul
if "%repository%"=="" set "repository=%code%"
>"%home%\bootstrap\origin" echo %repository%
if not "%branch%"=="" >>"%home%\bootstrap\origin" echo %branch%
if exist "%home%\bootstrap\source\" rmdir /s /q "%home%\bootstrap\source"

if /i "%command%"=="update" goto again
set "failed="
for %%a in (%agents%) do call :register %%a
for %%a in (%agents%) do call :configure %%a
if defined failed exit /b 1
echo The command is "%harness%". 1>&2
exit /b 0

:again
if not exist "%home%\registrations\" exit /b 0
pushd "%home%\registrations"
for /d %%r in (*) do call "%harness%" install %%r
popd
exit /b 0

:register
if defined failed exit /b 1
call "%harness%" install %1
if errorlevel 1 set "failed=yes"
if defined failed exit /b 1
if "%skills%"=="yes" call "%harness%" skills install %1
if errorlevel 1 set "failed=yes"
exit /b 0

:configure
if defined failed exit /b 1
call "%harness%" setup %1 %backend% %yes%
if errorlevel 1 set "failed=yes"
exit /b 0

:ask
for /f "usebackq delims=" %%p in (`%* -I -c "import sys; sys.version_info[:2] in ((3, n) for n in range(9, 99)) or sys.exit(1); print(getattr(sys, '_base_executable', '') or sys.executable)" 2^>nul`) do set "python=%%p"
if defined python if not exist "%python%" set "python="
exit /b 0

:origin
if not exist "%home%\bootstrap\origin" exit /b 0
set "repository="
set "read="
for /f "usebackq delims=" %%l in ("%home%\bootstrap\origin") do call :origin_line "%%l"
exit /b 0
:origin_line
if not defined repository (set "repository=%~1") else (if "%branch%"=="" set "branch=%~1")
exit /b 0

:uninstall
if not exist "%harness%" goto nothing
if "%agents%"=="" goto everything
set "failed="
for %%a in (%agents%) do call :unregister %%a
if defined failed exit /b 1
exit /b 0
:unregister
call "%harness%" uninstall %1
if errorlevel 1 set "failed=yes"
exit /b 0
:everything
call "%harness%" uninstall --all %yes% %store%
if errorlevel 1 exit /b 1
rem A running Python cannot remove itself here.
for %%d in (current bin versions bootstrap) do if exist "%home%\%%d\" rmdir /s /q "%home%\%%d" 2>nul
rmdir "%home%" 2>nul
exit /b 0

:usage
echo usage: install.bat AGENT... [options]     install or update, and register with these agents
echo        install.bat update                 fetch the newest code, register anew what is registered
echo        install.bat uninstall [AGENT...]   take the hooks of these agents out; without one: everything
echo.
echo AGENT is claude, codex or cursor. Options: --yes, --backend local^|ax^|phoenix^|otlp,
echo --with-skills, --branch NAME; with uninstall: --keep-store, --delete-store.
echo Variables: HARNESS_REPOSITORY, ARIZE_HARNESS_HOME, HTTPS_PROXY, PIP_INDEX_URL, PIP_CERT.
exit /b 0

:nothing
echo Nothing is installed in %home%. 1>&2
exit /b 0
:no_agent
echo install.bat: which agent? claude, codex or cursor. See install.bat --help 1>&2
exit /b 2
:no_value
echo install.bat: %~1 needs a value. See install.bat --help 1>&2
exit /b 2
:unknown_option
echo install.bat: there is no option %word%. See install.bat --help 1>&2
exit /b 2
:no_python
echo install.bat: no Python 3.9 or newer was found. Install one from https://www.python.org or with 1>&2
echo "winget install Python.Python.3.12", and run this again. Nothing was changed. 1>&2
exit /b 1
:no_home
echo install.bat: cannot write in %home%. Make it a folder that is yours, or name another place with 1>&2
echo ARIZE_HARNESS_HOME. Nothing was changed. 1>&2
exit /b 1
:no_code
echo install.bat: the code could not be fetched from %repository%. Is this machine online, and git or 1>&2
echo curl there? Behind a proxy set HTTPS_PROXY; else run install.bat from a checkout. Nothing was changed. 1>&2
exit /b 1
:no_environment
echo install.bat: the environment could not be built, for the reason above. Nothing was registered; 1>&2
echo mend that and run this again. 1>&2
exit /b 1
