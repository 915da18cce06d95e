import { createApp } from 'vue';

import App from './App.vue';

const server = new URLSearchParams(location.search).get('server') ?? 'ws://127.0.0.1:8088/ws';
const account = { server, user: '1000', password: 'secret-1000' };

createApp(App, { account }).mount('#app');
