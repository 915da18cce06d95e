// Reads SPDX licence expressions: `MIT OR (Apache-2.0 AND ISC)`, and cargo's old `MIT/Apache-2.0`.

/// Whether someone who accepts only the licences of `allowed` may use what is under `expression`.
export function satisfied(expression, allowed) {
  const tokens = expression.replaceAll('/', ' OR ').match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;
  const result = either();
  if (at !== tokens.length) throw new Error(`cannot read the licence expression "${expression}"`);
  return result;

  function either() {
    let holds = both();
    while (tokens[at] === 'OR') {
      at += 1;
      holds = both() || holds;
    }
    return holds;
  }

  function both() {
    let holds = single();
    while (tokens[at] === 'AND') {
      at += 1;
      holds = single() && holds;
    }
    return holds;
  }

  function single() {
    const token = tokens[at++];
    if (token === '(') {
      const holds = either();
      if (tokens[at++] !== ')') throw new Error(`unclosed parenthesis in "${expression}"`);
      return holds;
    }
    if (tokens[at] !== 'WITH') return allowed.includes(token);
    at += 2; // a licence with an exception is allowed only by its whole name
    return allowed.includes(`${token} WITH ${tokens[at - 1]}`);
  }
}
