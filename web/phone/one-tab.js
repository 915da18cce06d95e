// One tab of this browser is the phone, the others wait for it to go (Web Locks). `oneTab` of the package would come too late
// here: it is about registering, and before that a log-in at the PBX would already have ended the other tab's.

/**
 * Resolves when this tab is the phone of `user`. `waits()` if it has to wait until then; `lost()` when another takes it away; `signal` ends
 * waiting. `patience()`: so many ms the tab that has gone may come back, having been reloaded. `steal`: takes it away from whichever has it.
 */
export async function oneTab(user, { steal = false, waits, lost, patience, signal }) {
  if (!navigator.locks) return () => {};
  const name = `offhook-tab ${user}`;
  let mine = false;
  // While this tab is not the phone yet, another may well take it.
  const taken = () => mine && lost();
  let release = await hold(name, steal ? { steal } : { ifAvailable: true }, taken);
  if (!release) waits();
  while (!release) {
    let kept = true;
    release = await hold(name, { signal }, () => ((kept = false), taken()));
    if (!release) throw new DOMException('no longer waited for', 'AbortError');
    await new Promise((resolve) => setTimeout(resolve, patience()));
    if (!kept) release = undefined;
  }
  mine = true;
  return release;
}

/** Gives what lets go of it, or nothing. */
function hold(name, options, lost) {
  return new Promise((resolve) => {
    let release;
    const held = (lock) => {
      if (!lock) return resolve(undefined);
      return new Promise((free) => resolve((release = free)));
    };
    navigator.locks.request(name, options, held).catch(() => (release ? lost() : resolve(undefined)));
  });
}
