// ok-peerconnection.d.ts
