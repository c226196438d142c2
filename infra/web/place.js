// Where somebody was in a list of rows: kept in the entry of the browser's history, and found again by who comes back.

/** Keep which row is left for its page, and how many there are. */
export function keepPlace(list) {
  list.addEventListener('click', (event) => {
    const link = event.target.closest('a.cover');
    if (link) history.replaceState({...history.state, place: {href: link.getAttribute('href'), rows: list.children.length}}, '');
  });
}

/** Go back to the row that was left; `more` shows further rows, and whether there may be others still. */
export async function backToPlace(list, more) {
  const {href, rows} = history.state?.place || {};
  if (!href) return;
  const row = () => list.querySelector(`a.cover[href="${CSS.escape(href)}"]`);
  while (!row() && list.children.length < rows && await more());
  row()?.scrollIntoView({block: 'center'});
  row()?.focus({preventScroll: true});
}
