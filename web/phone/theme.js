// Before anything is painted: the theme that was chosen. Without a choice it is the system's.

try {
  const { theme } = JSON.parse(localStorage.getItem('offhook.settings') ?? '{}');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is off, or holds something else: the system's theme.
}
