// The TypeScript SDK v2 client, in either era: one JSON line. See matrix.py for the plan.
import { carryOut, load, options } from './packages.mjs';

const { Client, StreamableHTTPClientTransport } = await load('@modelcontextprotocol/client');

const plan = JSON.parse(process.argv[2]);
const mode = plan.era === 'legacy' ? 'legacy' : { pin: '2026-07-28' };
const client = new Client({ name: 'matrix-typescript-v2', version: '1.0.0' }, { versionNegotiation: { mode } });
await client.connect(new StreamableHTTPClientTransport(new URL(plan.url), options(plan)));
const outcome = await carryOut(client, plan);
console.log(JSON.stringify({ protocol: client.getNegotiatedProtocolVersion(), ...outcome }));
await client.close();
