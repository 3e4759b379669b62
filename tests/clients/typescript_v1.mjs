// The TypeScript SDK v1 client (session revisions only): one JSON line. See matrix.py for the plan.
import { carryOut, load, options } from './packages.mjs';

const { Client } = await load('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = await load('@modelcontextprotocol/sdk/client/streamableHttp.js');

const plan = JSON.parse(process.argv[2]);
const client = new Client({ name: 'matrix-typescript-v1', version: '1.0.0' });
const transport = new StreamableHTTPClientTransport(new URL(plan.url), options(plan));
await client.connect(transport);
const outcome = await carryOut(client, plan);
console.log(JSON.stringify({ protocol: transport.protocolVersion, ...outcome }));
await client.close();
