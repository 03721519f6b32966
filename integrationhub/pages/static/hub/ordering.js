// Takes the place of what the skin loads before it, which numbers rows from 0: here they share out the positions that they
// have, so that rows which a search or a filter leaves out keep theirs.
"use strict";
function sortRecords({ from }) {
  const inputs = [...from.querySelectorAll(`td input[name$=-${from.dataset.orderingField}]`)];
  const positions = inputs.map((input) => Number(input.value)).sort((one, other) => one - other);
  let next = 0;
  inputs.forEach((input, row) => {
    input.value = Math.max(positions[row], next);
    next = Number(input.value) + 1;
  });
}
