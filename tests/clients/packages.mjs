// Imports npm packages from the folder in TEST_PACKAGES: they are installed outside the repository.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(join(process.env.TEST_PACKAGES, 'package.json'));

/** Import a package, or a path inside one, from the test packages. */
export const load = (name) => import(pathToFileURL(require.resolve(name)).href);

/** Every tool's name, over all pages. */
export async function toolNames(client) {
  const names = [];
  let cursor;
  do {
    const page = await client.listTools(cursor === undefined ? undefined : { cursor });
    names.push(...page.tools.map((tool) => tool.name));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return names;
}

/** Carry out the plan's call, read and get with a connected client of either generation. */
export async function carryOut(client, plan) {
  const outcome = { tools: await toolNames(client) };
  if (plan.tool) outcome.call = await client.callTool({ name: plan.tool, arguments: plan.arguments ?? {} });
  if (plan.resource) outcome.resource = await client.readResource({ uri: plan.resource });
  if (plan.prompt) {
    outcome.prompt = await client.getPrompt({ name: plan.prompt, arguments: plan.promptArguments ?? {} });
  }
  return outcome;
}

/** The transport options that carry the plan's bearer token. */
export const options = (plan) =>
  plan.token ? { requestInit: { headers: { Authorization: `Bearer ${plan.token}` } } } : {};
