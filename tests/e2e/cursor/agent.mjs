// Sends prompts to a local Cursor agent, one after the other, and says as JSON what became of them.
// Arguments: the project's folder, then each prompt; "cancel:<path>:" before one cancels it
// as soon as there is such a file.
import { existsSync } from "node:fs";
import { Agent } from "@cursor/sdk";

const [cwd, ...prompts] = process.argv.slice(2);
const agent = await Agent.create({
  apiKey: "key_scripted",
  model: { id: "scripted-model" },
  local: { cwd, settingSources: ["user", "project"] },
});
const runs = [];
for (const prompt of prompts) {
  const [, sign, text] = /^(?:cancel:([^:]+):)?(.*)$/s.exec(prompt);
  try {
    const run = await agent.send(text);
    const watch = sign && setInterval(() => existsSync(sign) && run.cancel().catch(() => {}), 50);
    const result = await run.wait();
    clearInterval(watch);
    runs.push({ status: result.status });
    // The runtime does not wait for the hooks of what was cut short, and we end with it.
    if (sign) await new Promise((resume) => setTimeout(resume, 500));
  } catch (error) {
    runs.push({ status: "threw", error: String(error) });
  }
}
console.log(JSON.stringify({ agent: agent.agentId, runs }));
process.exit(0);
