// Headless Chromium with a fresh profile, and pages that hold a softphone.

import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-ui-for-media-stream',
  '--use-fake-device-for-media-stream',
  '--allow-loopback-in-peer-connection',
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  '--autoplay-policy=no-user-gesture-required',
];

/// Where Chromium is.
export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/// Starts Chromium; `flags` are added to those every test uses.
export async function launch({ flags = [], executablePath = CHROMIUM } = {}) {
  return chromium.launch({
    executablePath,
    args: [...FLAGS, ...flags],
  });
}

/// Opens the page at `url` in a context of its own. The page's errors fail `page.check()`.
export async function openPage(browser, url) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.stack ?? String(error)));
  await page.goto(url);
  await page.waitForFunction(() => window.softphone !== undefined);
  page.check = () => {
    if (errors.length > 0) throw new Error(`the page failed:\n${errors.join('\n')}`);
  };
  return page;
}
