@echo off
rem The installed harness, for Windows.
set "h=%ARIZE_HARNESS_HOME%"
if "%h%"=="" set "h=%USERPROFILE%\.arize\harness"
if exist "%h%\bin\harness.cmd" (
  call "%h%\bin\harness.cmd" %*
) else (
  echo harness is not installed yet: the first session does it in the background 1>&2
  exit /b 1
)
