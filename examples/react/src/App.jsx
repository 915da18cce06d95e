import { useEffect, useRef, useState } from 'react';

import { useCall, usePhone } from './usePhone.js';

const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'];

/** The phone is there while this is on: off, it is unmounted, and so unregistered. */
export function App({ account }) {
  const [on, setOn] = useState(true);
  return (
    <main>
      <h1>A phone in React</h1>
      <button onClick={() => setOn(!on)}>{on ? 'Turn the phone off' : 'Turn the phone on'}</button>
      {on ? <Phone account={account} /> : <p role="status">off</p>}
    </main>
  );
}

function Phone({ account }) {
  const { phone, state, problem, calls } = usePhone(account);
  const [number, setNumber] = useState('600');
  const [refused, setRefused] = useState('');

  const dial = async (event) => {
    event.preventDefault();
    const { code, detail, message } = await phone.call(number);
    setRefused(code === 200 ? '' : (detail ?? message));
  };
  return (
    <>
      <p role="status">{problem || state}</p>
      <form onSubmit={dial}>
        <label>
          Number <input value={number} onChange={(event) => setNumber(event.target.value)} required />
        </label>
        <button disabled={state !== 'ready'}>Call</button>
      </form>
      {refused && <p role="alert">{refused}</p>}
      {calls.map((session) => (
        <Call key={session.callId} session={session} />
      ))}
    </>
  );
}

function Call({ session }) {
  const { status, seconds } = useCall(session);
  const audio = useRef(null);
  // The far end is heard in this element, from when there is something to hear.
  useEffect(() => {
    session.play(audio.current);
  }, [session]);

  const talking = status.callStatus === 'talking';
  return (
    <section aria-label={`Call with ${status.number}`}>
      <h2>{status.name || status.number}</h2>
      <p className="state">{status.isRing ? 'is calling' : status.isHold ? 'on hold' : talking ? `talking, ${seconds} s` : status.callStatus}</p>
      <audio ref={audio} />
      {status.isRing ? (
        <>
          <button onClick={() => session.answer()}>Answer</button>
          <button onClick={() => session.reject()}>Decline</button>
        </>
      ) : (
        <button onClick={() => session.hangup()}>Hang up</button>
      )}
      {talking && <button onClick={() => (status.isHold ? session.unhold() : session.hold())}>{status.isHold ? 'Resume' : 'Hold'}</button>}
      {talking && !status.isHold && (
        <div role="group" aria-label="Keys">
          {KEYS.map((key) => (
            <button key={key} onClick={() => session.dtmf(key)}>
              {key}
            </button>
          ))}
        </div>
      )}
    </section>
  );
}
