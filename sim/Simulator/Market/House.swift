import Economics
import Primitives

/// Who is who among the house's parties: providers, then verifiers, then buyers, then the operator.
/// A party's number in the house is its place here plus one.
struct Roster: Hashable, Sendable {
    let providers: Int
    let verifiers: Int
    let buyers: Int

    /// Those who have bonds: providers and verifiers.
    var bonded: Int { providers + verifiers }
    var firstBuyer: Int { providers + verifiers }
    var operatorPlace: Int { providers + verifiers + buyers }
    var parties: Int { providers + verifiers + buyers + 1 }
}

/// How large the kinds of jobs are: sessions of people and programs, and batches; or the mean size
/// of a trace's jobs and its sixteenths.
struct JobTerms: Hashable, Sendable {
    private let prompts: [UInt32]
    private let outputs: [UInt32]
    private let allQuarters: [Int64]
    /// Layers of the model.
    static let layers: UInt16 = 30

    /// Kinds of these tokens.
    init(_ sizes: [(prompt: Int64, output: Int64)]) {
        prompts = sizes.map { UInt32($0.prompt) }
        outputs = sizes.map { UInt32($0.output) }
        allQuarters = sizes.map { $0.prompt + 4 * $0.output }
    }

    /// How many kinds there are.
    var kinds: Int { prompts.count }

    func prompt(_ kind: UInt8) -> UInt32 { prompts[Int(kind)] }
    func output(_ kind: UInt8) -> UInt32 { outputs[Int(kind)] }

    /// Prompt tokens and four times the output tokens: a prompt token has a quarter of the price.
    @inline(__always)
    func quarters(_ kind: UInt8) -> Int64 { allQuarters[Int(kind)] }

    /// Those of the largest kind.
    var mostQuarters: Int64 { allQuarters.max() ?? 0 }

    /// What a job costs at an ask, in ledger units. An ask counts micro-dollars a million output
    /// tokens, so it is ledger units a token, and a multiple of four, so nothing is rounded.
    @inline(__always)
    func cost(_ kind: UInt8, ask: Int32) -> Int64 { Int64(ask) / 4 * quarters(kind) }

    /// Token-layers of a job.
    func work(_ kind: UInt8) -> UInt64 {
        (UInt64(prompt(kind)) + UInt64(output(kind))) * UInt64(JobTerms.layers)
    }
}

/// What a log of the chain tells the house, in chain units.
struct ChainEntry: Sendable, BitwiseCopyable {
    enum Kind: UInt8 {
        case deposit = 0
        case bond = 1
        case unbond = 2
        case withdraw = 3
    }

    let kind: Kind
    let party: Int32
    let units: Int64
}

/// What the agents ask of the house for a step.
struct StepOrders: Sendable {
    /// What happened on chain before it, in order.
    var chain: [ChainEntry] = []
    /// Each provider's ask; 0 for no offer.
    var asks: Column<Int32>
    /// Jobs each provider serves in a step.
    var slots: Column<UInt16>
    /// Jobs each buyer wants.
    var wanted: Column<UInt16>
    /// The kind of them.
    var kinds: Column<UInt8>
    /// The most it pays, as an ask.
    var limits: Column<Int32>
    /// The only provider it buys from; -1 for any.
    var sellers: Column<Int32>
    /// The order in which buyers come.
    var turns: Column<Int32>

    init(_ roster: Roster) {
        asks = Column(roster.providers, 0)
        slots = Column(roster.providers, 1)
        wanted = Column(roster.buyers, 0)
        kinds = Column(roster.buyers, 0)
        limits = Column(roster.buyers, 0)
        sellers = Column(roster.buyers, -1)
        turns = Column(roster.buyers, 0)
    }

    mutating func visit(_ visitor: inout some ColumnVisitor) {
        visitor.visit(&asks)
        visitor.visit(&slots)
        visitor.visit(&wanted)
        visitor.visit(&kinds)
        visitor.visit(&limits)
        visitor.visit(&sellers)
        visitor.visit(&turns)
    }
}

/// Jobs of one buyer that one provider serves, one after the other in the order of opening.
struct Fill: Sendable, BitwiseCopyable {
    let buyer: Int32
    let provider: Int32
    /// The first of them, counted in the step.
    let first: Int32
    let count: Int32
    let kind: UInt8
    let ask: Int32
}

extension [Fill] {
    /// Which of a step's fills a job belongs to. O(log fills).
    func place(of job: Int32) -> Int {
        var (low, high) = (0, count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if self[middle].first <= job { low = middle } else { high = middle }
        }
        return low
    }
}

/// An audit that a verifier was drawn for.
struct AuditCase: Sendable, BitwiseCopyable {
    /// The job, counted in the step.
    let job: Int32
    let fill: Int32
    let provider: Int32
    let verifier: Int32
}

/// What a verifier says, and what becomes of it.
enum Ruling: UInt8, Sendable {
    /// The work reproduces.
    case clear = 0
    /// It does not, and nobody objects.
    case convict = 1
    /// It does not, and the accused appeals and is right.
    case overturned = 2
    /// It does not, and the accused appeals and is not right.
    case confirmed = 3
    /// No answer.
    case silent = 4
}

/// What everybody has in the house, after the last phase. Party columns are in ledger units.
struct Books: Sendable {
    var available: Column<Int64>
    var bonded: Column<Int64>
    var unbonding: Column<Int64>
    var payable: Column<Int64>
    /// Incentive tokens.
    var tally: Column<Int64>
    /// What providers' jobs in flight, under audit or disputed could steal.
    var exposure: Column<Int64>
    /// Each provider's ask in force; 0 for none.
    var offered: Column<Int32>
    /// Convicted for good: providers, then verifiers.
    var tombstoned: Column<UInt8>
    var escrow: UInt128 = 0
    var fee: UInt128 = 0
    var burn: UInt128 = 0
    var insurance: UInt128 = 0
    /// Bond that is captured and not taken yet.
    var captured: UInt128 = 0
    /// Dollars on chain behind all this.
    var chain: UInt128 = 0
    /// Tokens minted, and those paid out.
    var minted: UInt128 = 0
    var claimed: UInt128 = 0

    init(_ roster: Roster) {
        available = Column(roster.parties, 0)
        bonded = Column(roster.parties, 0)
        unbonding = Column(roster.parties, 0)
        payable = Column(roster.parties, 0)
        tally = Column(roster.parties, 0)
        exposure = Column(roster.providers, 0)
        offered = Column(roster.providers, 0)
        tombstoned = Column(roster.bonded, 0)
    }

    mutating func visit(_ visitor: inout some ColumnVisitor) {
        visitor.visit(&available)
        visitor.visit(&bonded)
        visitor.visit(&unbonding)
        visitor.visit(&payable)
        visitor.visit(&tally)
        visitor.visit(&exposure)
        visitor.visit(&offered)
        visitor.visit(&tombstoned)
    }
}

/// What became of a step's orders.
struct StepResult: Sendable {
    /// Jobs that were opened, in order.
    var fills: [Fill] = []
    /// Jobs in `fills`.
    var jobs = 0
    /// Jobs each provider serves.
    var used: Column<UInt16>
    /// Audits of the last draw.
    var audits: [AuditCase] = []
    /// Bond each party lost, in ledger units.
    var taken: Column<Int64>
    /// What settlement paid on chain, in chain units.
    var paidDollars: Column<Int64>
    var paidTokens: Column<Int64>
    /// Penalties taken for good in the step, and what of them was burned.
    var slashed: UInt128 = 0
    var burned: UInt128 = 0
    /// What convictions gave back to buyers.
    var refunded: UInt128 = 0
    /// Tokens emitted.
    var emitted: UInt128 = 0
    /// Parties banned.
    var tombstones = 0

    init(_ roster: Roster) {
        used = Column(roster.providers, 0)
        taken = Column(roster.bonded, 0)
        paidDollars = Column(roster.parties, 0)
        paidTokens = Column(roster.parties, 0)
    }

    mutating func visit(_ visitor: inout some ColumnVisitor) {
        visitor.visit(&used)
        visitor.visit(&taken)
        visitor.visit(&paidDollars)
        visitor.visit(&paidTokens)
    }

    /// Makes room for the next step.
    mutating func clear() {
        fills.removeAll(keepingCapacity: true)
        audits.removeAll(keepingCapacity: true)
        jobs = 0
        used.fill(0)
        taken.fill(0)
        slashed = 0
        burned = 0
        refunded = 0
        emitted = 0
        tombstones = 0
    }
}

/// The house as the agents know it: a step's orders go in, what became of them comes out. A step
/// is an epoch; its jobs open, run, are delivered and audited at its beginning, and its windows
/// end with it.
protocol House: Sendable {
    /// Shows the columns of its state, and those that a step begins by writing anew.
    mutating func visit(_ visitor: inout some ColumnVisitor)
    mutating func visitScratch(_ visitor: inout some ColumnVisitor)
    /// Books the chain's logs and the offers, matches and delivers.
    mutating func open(_ orders: StepOrders, _ books: inout Books, _ result: inout StepResult)
    /// Draws audits among what was delivered: a beacon's two words.
    mutating func draw(
        _ beacon: (UInt64, UInt64), _ orders: StepOrders, _ books: Books,
        _ result: inout StepResult)
    /// What was said in the cases of the last draw, in their order.
    mutating func judge(
        _ rulings: [Ruling], _ books: inout Books, _ result: inout StepResult)
    /// Lets the step pass: windows end, penalties are taken, the epoch's emission is allotted.
    mutating func close(_ books: inout Books, _ result: inout StepResult)
    /// Pays the operator so much of the fees, and everybody what is payable, on chain.
    mutating func settle(
        fees: UInt128, _ books: inout Books, _ result: inout StepResult)
    /// Other rules from the next step on.
    mutating func configure(_ rules: Parameters)
    /// What there is beside the books.
    func encode(into writer: inout ByteWriter)
    mutating func decode(from reader: inout ByteReader) throws(CodecError)
}
