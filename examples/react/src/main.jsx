import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { App } from './App.jsx';

const server = new URLSearchParams(location.search).get('server') ?? 'ws://127.0.0.1:8088/ws';
const account = { server, user: '1000', password: 'secret-1000' };

createRoot(document.getElementById('app')).render(
  <StrictMode>
    <App account={account} />
  </StrictMode>,
);
