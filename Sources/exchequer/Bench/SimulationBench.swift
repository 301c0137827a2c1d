import Foundation

/// The workload CMW-1 on one thread, beside the same workload in C, NumPy and Mesa. Each run is a
/// process; all of the same agents and steps must end with the same checksum. And the twin, by
/// itself.
struct SimulationBench {
    /// Tests/Harness, beside which `make peers` puts what it makes.
    let harness: String
    let runs: Int

    /// One implementation, and how it is started.
    private struct Implementation {
        let name: String
        let program: String
        let arguments: (Int, Int) -> [String]
    }

    /// The line that every implementation prints.
    private struct Line: Decodable {
        let checksum: String
        let rate: Double
        let peak: Double

        enum CodingKeys: String, CodingKey {
            case checksum
            case rate = "agent_steps_per_cpu_s"
            case peak = "peak_mib"
        }
    }

    private static let referenceName = "C, gcc -O2"
    private let own = Implementation(name: "exchequer", program: "/proc/self/exe") {
        agents, steps in
        ["simulate", "cmw1", "--agents", "\(agents)", "--steps", "\(steps)"]
    }

    private var root: String {
        URL(fileURLWithPath: harness).deletingLastPathComponent().deletingLastPathComponent().path
    }

    /// The C reference, if `make peers` built it or CMW_REF names it.
    private var reference: Implementation? {
        let named = BenchPeer.find("cmw_ref", variable: "CMW_REF")
        return existing(
            Implementation(name: Self.referenceName, program: named ?? "\(root)/.peers/cmw_ref") {
                agents, steps in
                ["\(agents)", "\(steps)"]
            })
    }

    private func python(_ name: String, _ script: String) -> Implementation? {
        let path = "\(harness)/simpeers/\(script)"
        return existing(
            Implementation(name: name, program: "\(root)/.venv-sim/bin/python") { agents, steps in
                [path, "--agents", "\(agents)", "--steps", "\(steps)"]
            })
    }

    private func existing(_ implementation: Implementation) -> Implementation? {
        FileManager.default.isExecutableFile(atPath: implementation.program) ? implementation : nil
    }

    /// Three rows for each number of agents, and memory; `say` gets a line before each.
    func rows(say: (String) -> Void) throws -> [BenchRow] {
        let (numpy, mesa) = (python("NumPy", "cmw_numpy.py"), python("Mesa 3", "cmw_mesa.py"))
        if reference == nil || numpy == nil {
            say("no peers of the simulator: `make peers` sets C, NumPy and Mesa up")
        }
        var rows: [BenchRow] = []
        for agents in [1_000, 10_000, 100_000] {
            rows += try compare(
                agents, 365, [(Self.referenceName, reference), ("NumPy", numpy)], say)
            // Of a hundred thousand objects, a hundred steps are enough to wait for.
            let steps = agents == 100_000 ? 100 : 365
            rows += try compare(agents, steps, [("Mesa 3", mesa)], say)
        }
        return rows + [try twin(say)]
    }

    /// A market in which little but the clearing house works: few offers, so that matching is no
    /// search, and many buyers.
    private static let twinMarket = """
        title: Jobs through the production clearing house
        question: How many jobs a second does the twin do?
        expect: More than 200,000.
        metric: jobs
        model: market
        steps: 120
        seed: 42
        record: steps
        parameters:
          backend: twin
          providers: 16
          buyers: 4000
          verifiers: 4
          delegators: 0
          traders: 0
          consumer_slots: 1000
          datacentre_slots: 1000
          batch_buyers: 0
        """

    /// Jobs a second through opening, delivery, audit and payout of the production state machine,
    /// on one thread, with everything that a run of the simulator does beside.
    private func twin(_ say: (String) -> Void) throws -> BenchRow {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "exchequer-twin-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let scenario = folder.appending(path: "twin.yaml")
        try Data(Self.twinMarket.utf8).write(to: scenario)
        let rates = try (0..<runs).map { run in
            say("the twin, 4,000 buyers, 120 steps")
            let out = folder.appending(path: "\(run)")
            let started = ContinuousClock.now
            _ = try BenchPeer.run(
                own.program,
                ["simulate", "run", scenario.path(), "--out", out.path(), "--threads", "1"],
                in: root)
            let seconds = (ContinuousClock.now - started) / .seconds(1)
            return try jobs(in: out.appending(path: "results.csv")) / seconds
        }
        return BenchRow(
            name: "twin, 16 providers, 4000 buyers", value: middle(rates), unit: "jobs/s")
    }

    private func jobs(in table: URL) throws -> Double {
        let lines = try String(contentsOf: table, encoding: .utf8).split(separator: "\n")
        let header = lines.first?.split(separator: ",", omittingEmptySubsequences: false) ?? []
        guard let place = header.firstIndex(of: "jobs") else {
            throw BenchError.unexpected("\(table.path()) has no column jobs")
        }
        return lines.dropFirst().reduce(0) { sum, line in
            let cells = line.split(separator: ",", omittingEmptySubsequences: false)
            return sum + (Double(cells[place]) ?? 0)
        }
    }

    /// A row for each peer, or one where none is here: all run in turn, `runs` times.
    private func compare(
        _ agents: Int, _ steps: Int, _ peers: [(name: String, found: Implementation?)],
        _ say: (String) -> Void
    ) throws -> [BenchRow] {
        let all = [own] + peers.compactMap(\.found)
        var lines: [String: [Line]] = [:]
        for _ in 0..<runs {
            for implementation in all {
                say("CMW-1, \(agents) agents, \(steps) steps: \(implementation.name)")
                lines[implementation.name, default: []].append(
                    try run(implementation, agents, steps))
            }
        }
        let checksums = Set(lines.values.flatMap { $0.map(\.checksum) })
        guard checksums.count == 1 else {
            throw BenchError.unexpected(
                "CMW-1 with \(agents) agents and \(steps) steps has checksums \(checksums.sorted())"
            )
        }
        let name = "\(agents) agents, \(steps) steps"
        let ours = lines[own.name] ?? []
        var rows = peers.map { peer, found in
            let row = BenchRow(
                name: name, value: middle(ours.map(\.rate)) / 1_000, unit: "k agent-steps/CPU s")
            guard let theirs = lines[peer], found != nil else { return row }
            return row.against(peer, middle(theirs.map(\.rate)) / 1_000)
        }
        if agents == 100_000, steps == 365 {
            let row = BenchRow(
                name: "\(name), peak memory", value: middle(ours.map(\.peak)), unit: "MiB")
            let theirs = lines[Self.referenceName]
            rows.append(
                theirs.map { row.against(Self.referenceName, middle($0.map(\.peak))) } ?? row)
        }
        return rows
    }

    private func run(
        _ implementation: Implementation, _ agents: Int, _ steps: Int
    ) throws -> Line {
        let text = try BenchPeer.run(
            implementation.program, implementation.arguments(agents, steps), in: root)
        // Libraries may warn before it.
        guard let line = text.split(separator: "\n").last(where: { $0.hasPrefix("{") }) else {
            throw BenchError.unexpected("\(implementation.name) printed no result: \(text)")
        }
        return try JSONDecoder().decode(Line.self, from: Data(line.utf8))
    }

    private func middle(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}
