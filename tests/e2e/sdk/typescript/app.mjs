import { execFileSync } from "node:child_process";
import { query } from "@anthropic-ai/claude-agent-sdk";

const tracing = execFileSync("harness", ["plugin-path"], { encoding: "utf8" }).trim();

for await (const message of query({
  prompt: process.argv[2],
  options: {
    pathToClaudeCodeExecutable: process.env.TEST_CLAUDE,
    permissionMode: "bypassPermissions",
    allowDangerouslySkipPermissions: true,
    plugins: [{ type: "local", path: tracing }],
    env: { ...process.env, ARIZE_PROJECT_NAME: "my-service" },
  },
})) {
  if (message.type === "result") console.log(JSON.stringify([message.session_id, message.result]));
}
