// What pages need to connect to each other by WebRTC in a browser of the tests.

/**
 * Addresses of this machine as they are: otherwise Chromium hides them behind names that it makes up and asks for by
 * multicast, which not every machine that runs tests has.
 */
export const WEB_RTC_FLAGS = ["--disable-features=WebRtcHideLocalIpsWithMdns"];
