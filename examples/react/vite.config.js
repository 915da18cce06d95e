export default {
  base: './',
  esbuild: { jsx: 'automatic' },
  build: { target: 'es2022' },
  // The module finds its offhook.wasm beside itself: Vite's cache of dependencies would take it away from there.
  optimizeDeps: { exclude: ['offhook'] },
  // Only here, where the package is a folder of the repository.
  server: { fs: { allow: ['.', '../../web'] } },
};
