// Twenty rules that check one label each: less work than any real rule.
const { PolicyPack } = require("@pulumi/policy");

const rules = Array.from({ length: 20 }, (_, number) => ({
  name: `label-${number}`,
  description: `No object has the label ${number}.`,
  enforcementLevel: "advisory",
  validateResource: ({ props }, report) => {
    const labels = (props.metadata || {}).labels || {};
    // Every Service violates the first rule, so that the benchmark can verify that the pack was evaluated.
    if (labels[`label-${number}`] || (number === 0 && props.kind === "Service")) {
      report(`the label ${number} is not allowed`);
    }
  },
}));

new PolicyPack("peer", { policies: rules });
