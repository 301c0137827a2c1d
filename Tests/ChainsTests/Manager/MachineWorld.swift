import Chains
import Primitives

/// What is wrong with a simulated node now.
enum NodeFault {
    case none
    /// It answers nothing.
    case unreachable
    /// It sees the chain as it was so many blocks ago.
    case lagging(UInt64)
    /// It says whatever hurts most.
    case lying
    /// It takes transactions and forgets them.
    case forgetful

    /// Another fault for one of several nodes, of which two must agree: so at most one lies.
    static func next(
        for place: Int, of faults: [NodeFault], lag: UInt64, random: inout SplitMix64
    ) -> NodeFault {
        let hasLiar = faults.indices.contains {
            if case .lying = faults[$0] { $0 != place } else { false }
        }
        switch random.next() % 8 {
        case 0: return .unreachable
        case 1: return .lagging(random.next() % lag + 1)
        case 2 where !hasLiar: return .lying
        case 3: return .forgetful
        default: return .none
        }
    }
}

/// A manager's process in a simulation, which may end between any two steps; what it has then is
/// the log of its inputs since some state.
struct MachineProcess<Machine: LoggedMachine> {
    private(set) var machine: Machine
    private(set) var crashes = 0
    private(set) var isCrashing = false
    private var snapshot: [UInt8]
    private var log: [(at: UInt64, bytes: [UInt8])] = []
    /// Answers on their way to it.
    private var mail: [(due: UInt64, input: Machine.Input)] = []
    private let snapshotEvery: Int

    init(_ machine: Machine, snapshotEvery: Int) {
        self.machine = machine
        self.snapshotEvery = snapshotEvery
        snapshot = machine.stateBytes
    }

    mutating func end() { isCrashing = true }

    mutating func post(_ input: Machine.Input, due: UInt64) { mail.append((due, input)) }

    mutating func deliveries(at now: UInt64) -> [Machine.Input] {
        let due = mail.filter { $0.due <= now }
        mail.removeAll { $0.due <= now }
        return due.map(\.input)
    }

    /// Gives the machine an input and writes it down.
    mutating func apply(
        _ input: Machine.Input, at now: UInt64
    ) throws(Machine.Rejection) -> [Machine.Action] {
        let actions = try machine.apply(input, at: Timestamp(seconds: now))
        log.append((now, input.canonicalBytes()))
        return actions
    }

    /// Lets a state take the place of a long log.
    mutating func trim() {
        guard log.count >= snapshotEvery else { return }
        snapshot = machine.stateBytes
        log = []
    }

    /// Begins anew from what was written down; what is wrong with that, if anything.
    mutating func restart(_ read: ([UInt8]) throws -> Machine) -> String? {
        crashes += 1
        isCrashing = false
        mail = []
        let before = machine.stateBytes
        do {
            machine = try read(snapshot)
            for entry in log {
                let input = try Machine.Input(canonicalBytes: entry.bytes)
                _ = try machine.apply(input, at: Timestamp(seconds: entry.at))
            }
        } catch {
            return "the log cannot be read: \(error)"
        }
        return machine.stateBytes == before ? nil : "the log gives another state"
    }
}

/// A manager, misbehaving nodes and a chain in one thread, all from one seed.
protocol MachineWorld {
    associatedtype Machine: LoggedMachine
    var process: MachineProcess<Machine> { get set }
    var problems: [String] { get set }
    /// Seconds.
    var now: UInt64 { get }
    /// Whether the process ends here, once in so many times as often as after an action.
    mutating func ends(_ once: UInt64) -> Bool
    mutating func carryOut(_ action: Machine.Action)
    /// An input is durable.
    mutating func taken(_ input: Machine.Input)
    /// Whether it is right that the machine refuses an input.
    func mayRefuse(_ input: Machine.Input, _ rejection: Machine.Rejection) -> Bool
}

extension MachineWorld {
    var crashes: Int { process.crashes }
    var isCrashing: Bool { process.isCrashing }

    mutating func taken(_ input: Machine.Input) {}

    func mayRefuse(_ input: Machine.Input, _ rejection: Machine.Rejection) -> Bool { false }

    /// Gives the manager an input, unless its process ends before, writes it down, and carries out
    /// the actions.
    mutating func take(_ input: Machine.Input) {
        if isCrashing { return }
        if ends(6) { return process.end() }
        let actions: [Machine.Action]
        do throws(Machine.Rejection) {
            actions = try process.apply(input, at: now)
        } catch {
            if !mayRefuse(input, error) { problems.append("\(error) for \(input)") }
            return
        }
        taken(input)
        for action in actions {
            if ends(1) { return process.end() }
            carryOut(action)
        }
        process.trim()
    }

    mutating func deliver() {
        for input in process.deliveries(at: now) { take(input) }
    }
}
