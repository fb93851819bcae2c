// ok-peerconnection.mjs
