// The original ok-peerhub, from the checkout that OK_PEERHUB_DIR names, behind a plain HTTP server.
//
//     OK_PEERHUB_DIR=FOLDER node ok-peerhub.mjs PORT

import { createServer } from "node:http";
import { createRequire } from "node:module";

const OkPeerHub = createRequire(import.meta.url)(process.env.OK_PEERHUB_DIR);
const httpServer = createServer((request, response) => response.writeHead(404).end());
new OkPeerHub({ httpServer });
httpServer.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 1024 });
