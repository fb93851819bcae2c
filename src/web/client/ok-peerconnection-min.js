// ok-peerconnection-min.js
