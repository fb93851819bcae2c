// The types of ok-peerconnection.d.ts for the ES module.

import OkPeerConnection = require("./ok-peerconnection.js");

export { OkPeerConnection };
export default OkPeerConnection;
