// ok-peerconnection.js
