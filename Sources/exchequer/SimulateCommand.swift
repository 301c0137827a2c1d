import ArgumentParser

/// `exchequer simulate`: markets of agents. Each command lives in its own file in Simulate/; this
/// one only lists them.
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Simulate markets: whether cheating pays, studies, and the workload CMW-1.",
        discussion: """
            The same options give the same result on any machine. Without a command it asks \
            whether cheating pays.

            EXAMPLES
              exchequer simulate --audit-rate 0.01 --bond 20
              exchequer simulate run sim/scenarios/halving-shock.yaml --out out
              exchequer simulate cmw1 --agents 100000
              exchequer simulate report out
              exchequer simulate trace AzureLLMInferenceTrace_conv.csv
            """,
        subcommands: [
            SimulateCheating.self, SimulateRun.self, SimulateCheck.self, SimulateMerge.self,
            SimulateStatus.self, SimulateReport.self, SimulateModels.self, SimulateSchema.self,
            SimulateTrace.self, SimulateCMW1.self,
        ],
        defaultSubcommand: SimulateCheating.self)
}
