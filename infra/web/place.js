// Where somebody was in a list of rows: kept in the entry of the browser's history, and found again by who comes back.

/** Keep which row is left for its page, and how many there are. */
export function keepPlace(list) {
  list.addEventListener('click', (event) => {
    const link = event.target.closest('a.cover');
    if (link) history.replaceState({...history.state, place: {href: link.getAttribute('href'), rows: list.children.length}}, '');
  });
}

/** Go back to the row that was left; `more()` shows further rows, `cursor()` says where they begin. */
export async function backToPlace(list, more, cursor) {
  const {href, rows} = history.state?.place || {};
  if (!href) return;
  const row = () => list.querySelector(`a.cover[href="${CSS.escape(href)}"]`);
  for (let at = cursor(); at && !row() && list.children.length < rows; ) {
    await more();
    at = cursor() === at ? null : cursor();  // nothing came: the page was left, or the line is down
  }
  row()?.scrollIntoView({block: 'center'});
  row()?.focus({preventScroll: true});
}
