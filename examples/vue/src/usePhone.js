// The phone as composables: copy this file.

import { createPhone } from 'offhook';
import { onScopeDispose, ref, shallowRef } from 'vue';

/**
 * A phone for as long as the component (or effect scope) is there. `phone` is `null` until it is made, `state` is `connecting`, `ready` or
 * `off`, `calls` are the sessions there are. All are refs; `account` is what `createPhone` takes.
 */
export function usePhone(account) {
  // Shallow: a phone is no plain data, and tells of its changes itself.
  const phone = shallowRef(null);
  const calls = shallowRef([]);
  const state = ref('connecting');
  const problem = ref('');

  let gone = false;
  const begin = async () => {
    const made = await createPhone(account);
    // Unmounted before the phone was made: it never registers.
    if (gone) return made.destroy();
    made.on('isRegisteredChange', (registered) => {
      state.value = registered ? 'ready' : 'connecting';
      if (registered) problem.value = '';
    });
    made.on('newRTCSession', () => (calls.value = made.getSessions()));
    made.on('deleteSession', () => (calls.value = made.getSessions()));
    phone.value = made;
    const { code, detail, message } = await made.start();
    if (code !== 200) fail(detail ?? message);
  };
  const fail = (text) => {
    state.value = 'off';
    problem.value = text;
  };
  begin().catch(({ message }) => fail(message));

  onScopeDispose(() => {
    gone = true;
    // Ends the calls, unregisters and closes the connection.
    phone.value?.destroy();
    phone.value = null;
    calls.value = [];
  });
  return { phone, state, problem, calls };
}

/** What a call is like at the moment, as refs: its `status`, and how many `seconds` it has lasted. */
export function useCall(session) {
  const status = shallowRef(session.status);
  const seconds = ref(session.timer.callDuration);
  const listeners = {
    statusChange: (now) => (status.value = now),
    staticStatusChange: () => (status.value = session.status),
    updateTimer: ({ timer }) => (seconds.value = timer.callDuration),
  };
  for (const [name, listener] of Object.entries(listeners)) session.on(name, listener);
  onScopeDispose(() => {
    for (const [name, listener] of Object.entries(listeners)) session.off(name, listener);
  });
  return { status, seconds };
}
