import ArgumentParser
import Foundation
import Inference
import Node
import Planning
import Primitives

/// `exchequer cluster plan`: measures machines and says how to split a model over them.
struct ClusterPlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Measure the machines of a private cluster and say which split is quickest.",
        discussion: """
            Every machine must be serving, with --layers any to be split freely, and list the \
            others as --peer. Measured are a layer's time for a single position and in a prompt, \
            the time to choose a token, the memory that is free (a fifth of it is left alone), and \
            the round trips between all of them. A machine that would slow the ring is left out; \
            if this machine alone is quickest, that is the plan. Changes nothing; `cluster run \
            --split auto` does the same and uses it.

            EXAMPLES
              exchequer cluster plan --model M.gguf --identity head.key \\
                  --route 10.0.0.2:7300=KEY --route 10.0.0.3:7300=KEY
              exchequer cluster plan --model M.gguf --identity head.key --no-head \\
                  --route 10.0.0.2:7300=KEY --prompt-tokens 2000 --max-tokens 200 --json
            """)

    @OptionGroup var cluster: ClusterArguments
    @Option(help: "A machine as HOST:PORT=KEY; repeat it for each, in any order.")
    var route: [String] = []
    @Option(help: "Tokens in the prompt to plan for.") var promptTokens: UInt32 = 256
    @Option(help: "Tokens of the answer to plan for.") var maxTokens: UInt32 = 256
    @Flag(help: "This machine holds no layers.") var noHead = false
    @Flag(help: "Print one JSON object instead of tables.") var json = false

    private struct Machine: Encodable {
        let machine: String
        let microsecondsALayer, microsecondsALayerInAPrompt, microsecondsToChoose: Double
        let freeBytes: UInt64
        /// To each machine of the list, this one first; `nil` where it is not reached.
        let roundTripMicroseconds: [UInt64?]
        let layers: String?
    }

    private struct Report: Encodable {
        let machines: [Machine]
        let secondsToFirstToken, tokensPerSecond: Double
        /// The machines in the order of the ring.
        let order: [String]
    }

    func validate() throws {
        if route.isEmpty { throw ValidationError("--route: no machine is named.") }
        if promptTokens < 1 || maxTokens < 1 {
            throw ValidationError("--prompt-tokens and --max-tokens are at least 1.")
        }
    }

    func run() async throws {
        let hops = try route.map(ClusterArguments.hop)
        let (file, root, identity) = try cluster.open()
        let survey = try await ClusterSplit(cluster: cluster, file: file, root: root)
            .survey(hops, identity, withoutHead: noHead)
        defer { survey.close() }
        let request = SplitRequest(file, promptTokens: promptTokens, maxTokens: maxTokens)
        let plan = try ClusterSplit.plan(request, survey, needsOther: false)
        try put(report(plan, survey))
    }

    private func report(_ plan: SplitPlan, _ survey: ClusterSurvey) -> Report {
        func name(_ machine: Int?) -> String { machine.map { survey.route[$0].address } ?? "head" }
        let all =
            (survey.head.map { [(Int?.none, $0)] } ?? [])
            + survey.machines.enumerated().map { (Int?.some($0), $1) }
        let machines = all.map { machine, figures in
            Machine(
                machine: name(machine), microsecondsALayer: Double(figures.layerTime) / 1_000,
                microsecondsALayerInAPrompt: Double(figures.promptTime) / 1_000,
                microsecondsToChoose: Double(figures.outputTime) / 1_000,
                freeBytes: figures.freeBytes,
                roundTripMicroseconds: all.map { other, _ in
                    other == machine ? 0 : survey.edges.oneWay(machine, other).map { 2 * $0 }
                },
                layers: plan.parts.first { $0.machine == machine }?.layers.description)
        }
        return Report(
            machines: machines, secondsToFirstToken: Double(plan.firstToken) / 1e6,
            tokensPerSecond: 1e6 / Double(max(plan.perToken, 1)),
            order: plan.parts.map { name($0.machine) })
    }

    private func put(_ report: Report) throws {
        if json { return try Console.put(json: report) }
        let cells = report.machines.map { machine in
            [
                machine.machine, String(format: "%.1f", machine.microsecondsALayer),
                String(format: "%.1f", machine.microsecondsALayerInAPrompt),
                String(format: "%.1f", machine.microsecondsToChoose),
                String(format: "%.1f", Double(machine.freeBytes) / Double(1 << 30)),
                machine.roundTripMicroseconds.map { $0.map(String.init) ?? "-" }
                    .joined(separator: " "),
                machine.layers ?? "none",
            ]
        }
        let titles = [
            "machine", "us a layer", "in a prompt", "to choose", "GiB free", "round trips, us",
            "layers",
        ]
        Console.put(Console.table(titles, cells))
        Console.put("")
        Console.put(
            String(
                format: "order %@: first token after %.3f s, then %.1f tokens/s without guesses",
                report.order.joined(separator: ", "), report.secondsToFirstToken,
                report.tokensPerSecond))
    }
}
