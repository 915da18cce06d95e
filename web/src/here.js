// For the script-tag build: where the script came from, which has to be asked while it runs for the first time.

export const here = document.currentScript?.src || location.href;
