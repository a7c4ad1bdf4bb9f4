// Runs all rules of axe-core, including the rule on the size of targets, which is off by default.
const done = arguments[arguments.length - 1];
const places = ({ target, failureSummary }) => `${target.join(' ')}: ${failureSummary}`;
axe.run(document, { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } }).then(
  ({ violations }) => done(violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.slice(0, 5).map(places) }))),
  (error) => done([String(error)]),
);
