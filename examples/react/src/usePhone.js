// The phone as hooks: copy this file.

import { createPhone } from 'offhook';
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';

/**
 * A phone for as long as the component is mounted. `{ phone, state, problem, calls }`: `phone` is `null` until it is there, `state` is
 * `connecting`, `ready` or `off`, `calls` are the sessions there are. `account` (of `createPhone`) must be the same object
 * from one rendering to the next: another one is another phone.
 */
export function usePhone(account) {
  const [phone, setPhone] = useState(null);
  const [state, setState] = useState('connecting');
  const [problem, setProblem] = useState('');
  const [calls, setCalls] = useState([]);

  useEffect(() => {
    // A component may be unmounted before its phone is made, and in StrictMode it always is: that one never registers.
    let mounted = true;
    let made = null;
    const begin = async () => {
      const it = await createPhone(account);
      if (!mounted) return it.destroy();
      made = it;
      it.on('isRegisteredChange', (registered) => {
        setState(registered ? 'ready' : 'connecting');
        if (registered) setProblem('');
      });
      it.on('newRTCSession', () => setCalls(it.getSessions()));
      it.on('deleteSession', () => setCalls(it.getSessions()));
      setPhone(it);
      const { code, detail, message } = await it.start();
      if (mounted && code !== 200) fail(detail ?? message);
    };
    const fail = (text) => {
      setState('off');
      setProblem(text);
    };
    begin().catch((error) => mounted && fail(error.message));
    return () => {
      mounted = false;
      // Ends the calls, unregisters and closes the connection.
      made?.destroy();
      setPhone(null);
      setCalls([]);
      setState('connecting');
      setProblem('');
    };
  }, [account]);

  return { phone, state, problem, calls };
}

const CHANGES = ['statusChange', 'staticStatusChange', 'updateTimer'];

/** What a call is like at the moment: its `status`, and how many `seconds` it has lasted. */
export function useCall(session) {
  const subscribe = useCallback(
    (changed) => {
      for (const name of CHANGES) session.on(name, changed);
      return () => CHANGES.forEach((name) => session.off(name, changed));
    },
    [session],
  );
  // A status is replaced, never changed: what React wants of a snapshot.
  const status = useSyncExternalStore(subscribe, () => session.status);
  const seconds = useSyncExternalStore(subscribe, () => session.timer.callDuration);
  return { status, seconds };
}
