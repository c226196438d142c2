// Begins the page. Where a part of it could not be fetched, says so and loads the page again once the server answers: a browser
// does not fetch a module again that failed once.

const LONGEST = 30e3;
const COUNT = 'museum.boots';

function store(value) {
  try { if (value === undefined) return Number(sessionStorage.getItem(COUNT)) || 0; sessionStorage.setItem(COUNT, value); } catch { /* not kept, then */ }
  return 0;
}

/** After a second, and later each time; at once when the line is back. */
async function wait(count) {
  await Promise.race([
    new Promise((done) => setTimeout(done, Math.min(LONGEST, 1000 * 2 ** count))),
    new Promise((done) => addEventListener('online', done, {once: true})),
  ]);
}

async function again() {
  for (let count = store(); ; count += 1) {
    store(count + 1);
    await wait(count);
    try {
      if ((await fetch(location.pathname, {method: 'HEAD', cache: 'no-store'})).ok) { location.reload(); return; }
    } catch { /* not yet */ }
  }
}

try {
  await import('./app.js');
  store(0);
} catch (error) {
  document.getElementById('absent').hidden = false;
  document.getElementById('reload').addEventListener('click', () => location.reload());
  if (error instanceof SyntaxError) throw error;  // this browser cannot read it, however often
  await again();
}
