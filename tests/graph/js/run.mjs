// A run as a JavaScript client sees it: started in a stream mode, answered like Agent Inbox, looked at to its end.
// Prints one line of JSON: what the stream told, what was asked, how it ended.
import { Client } from "@langchain/langgraph-sdk";

const [url, mode, prompts] = process.argv.slice(2);
const client = new Client({ apiUrl: url, apiKey: null });
const { thread_id } = await client.threads.create();

const events = new Set();
const streamed = async (payload) => {
  for await (const { event } of client.runs.stream(thread_id, "pipeline", payload)) events.add(event);
};

await streamed({
  input: { prompts: JSON.parse(prompts), adapter_name: "planner" },
  streamMode: mode,
  streamSubgraphs: true,
});
const waiting = await client.threads.get(thread_id);
const [[interrupt]] = Object.values(waiting.interrupts);

await streamed({ command: { resume: [{ type: "response", args: "reject: from JavaScript" }] }, streamMode: mode });
const { values, next } = await client.threads.getState(thread_id);

console.log(
  JSON.stringify({
    thread: thread_id,
    events: [...events].sort(),
    waited: waiting.status,
    asked: interrupt.value.action_requests[0].name,
    note: values.note,
    next,
  }),
);
