/* Runs before the first paint so that a chosen theme does not flash. */
try {
  const chosen = localStorage.getItem('cloche.theme');
  if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
} catch {
  /* storage may be forbidden: the system's theme is used */
}
