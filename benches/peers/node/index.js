// Twenty rules that look at one label each: less than any real rule does.
const { PolicyPack } = require("@pulumi/policy");

const rules = Array.from({ length: 20 }, (_, number) => ({
  name: `label-${number}`,
  description: `No object has the label ${number}.`,
  enforcementLevel: "advisory",
  validateResource: ({ props }, report) => {
    const labels = (props.metadata || {}).labels || {};
    // Every Service fails the first, so that the benchmark sees that the pack was asked.
    if (labels[`label-${number}`] || (number === 0 && props.kind === "Service")) {
      report(`the label ${number} is not wanted`);
    }
  },
}));

new PolicyPack("peer", { policies: rules });
