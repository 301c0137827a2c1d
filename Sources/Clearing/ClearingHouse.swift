public import Economics
public import Ledger
public import Primitives

/// The whole house as one value: takes a command and a time, returns events or a rejection.
///
/// It never reads a clock, a file, a socket or a random number, so the same commands at the same
/// times give the same state anywhere: in production, in an audit, in the simulator. A rejection
/// leaves the state exactly as it was.
///
///     var house = ClearingHouse()
///     switch house.apply(.registerParty(address: address), at: now) {
///     case .success(let events): ...   // [.partyRegistered(1, address)]
///     case .failure(let rejection): ... // a stable number
///     }
public struct ClearingHouse: Sendable {
    /// The rules in force; `nil` until `configure`.
    public internal(set) var parameters: Parameters?
    /// The chain settled on, by its EIP-155 id.
    public internal(set) var chain: UInt64 = 0
    /// Every account and transfer.
    public internal(set) var ledger = LedgerState()
    /// The time of the last accepted command.
    public internal(set) var now: Timestamp = .zero

    /// Every party, by id from 1.
    public internal(set) var parties: [Party] = []
    /// Every node, by id from 1.
    public internal(set) var nodes: [NodeRecord] = []
    /// Every model, by id from 1.
    public internal(set) var models: [Model] = []
    /// Every offer, by id from 1.
    public internal(set) var offers: [Offer] = []
    /// Every job, by id from 1.
    public internal(set) var jobs: [Job] = []
    /// Every verdict, by id from 1.
    public internal(set) var verdicts: [VerdictRecord] = []
    /// Every batch, by id from 1.
    public internal(set) var batches: [Batch] = []
    /// Every closed epoch, by id from 1.
    public internal(set) var epochs: [EpochRecord] = []
    /// Every dispersal, by id from 1.
    public internal(set) var dispersals: [Dispersal] = []
    /// Under which books dispersals are made, in the order of their numbers.
    public internal(set) var dispersalSeals: [DispersalSeal] = []
    /// Under which books the last voucher of each channel is signed, in the order of the channels.
    public internal(set) var voucherSeals: [VoucherSeal] = []
    /// Every settlement by plan, in order.
    public internal(set) var settlements: [SettlementRecord] = []
    /// What the chains charged, in the order it was booked.
    public internal(set) var costs: [ChainCost] = []
    /// Every payment channel to a payee, by id from 1.
    public internal(set) var channels: [HouseChannel] = []
    /// How far the records of what was signed on Solana are, one an owner, the last one last.
    public internal(set) var solanaRecords: [SolanaRecord] = []

    /// Every deposit on Solana, by id from 1.
    public internal(set) var deposits: [TokenDeposit] = []
    /// From whose accounts there they come, in the order in which they were registered.
    public internal(set) var depositors: [Depositor] = []
    /// Who has the dollars that came in there, and sells its claims for them; `nil` until the house
    /// says so.
    public internal(set) var depositPayer: PartyID?

    /// When the running epoch began.
    public internal(set) var epochStartedAt: Timestamp = .zero
    /// What rounding left of earlier emissions, given out with the next.
    public internal(set) var emissionRest: Amount = .zero
    /// What the emission policy remembers; nothing by default.
    public internal(set) var emissionState = EmissionState.none
    /// The last beacon drawn.
    public internal(set) var lastBeacon: Digest = .zero
    /// The last chain log processed: block and index.
    public internal(set) var chainCursor: ChainCursor = .init(block: 0, logIndex: 0, any: false)
    /// The hash of the block of that log: a chain that has another there is not the one booked.
    public internal(set) var chainBlock: Digest = .zero
    /// Jobs delivered since the last beacon, in order of delivery.
    var undrawn: [JobID] = []
    /// No job before this place in `jobs` is open.
    var oldestOpenJob = 0
    /// No dispersal before this place in `dispersals` is open.
    var oldestOpenDispersal = 0
    /// No deposit before this place in `deposits` waits to be credited.
    var oldestWaitingDeposit = 0
    /// What is due when.
    var agenda = Agenda()
    /// The next ledger transfer's id.
    var nextTransfer: UInt128 = 1
    /// Lookups only; their order never reaches an outcome.
    var index = Index()

    /// An empty house, waiting to be configured.
    public init() {}

    /// Decides one command at a time later than every earlier one. O(1) for most commands;
    /// `openJob` is O(offers of the model x stages).
    public mutating func apply(
        _ command: Command, at time: Timestamp
    ) -> Result<[Event], Rejection> {
        var events: [Event] = []
        do throws(Rejection) {
            try decide(command, at: max(time, now), into: &events)
            if oldestWaitingDeposit < deposits.count {
                sellClaims(at: max(time, now), into: &events)
            }
            now = max(time, now)
            return .success(events)
        } catch {
            return .failure(error)
        }
    }

    /// When the next thing is due, or `nil` if nothing is: the shell sends `pulse` then.
    public var nextDeadline: Timestamp? { agenda.first?.time }
}

/// The identity of a chain log within its chain: logs are processed in this order, each once.
public struct ChainCursor: Hashable, Comparable, Sendable {
    /// The block's number.
    public let block: UInt64
    /// The log's index in the block.
    public let logIndex: UInt32
    /// Whether any log was processed at all.
    public let any: Bool

    public static func < (left: ChainCursor, right: ChainCursor) -> Bool {
        (left.any ? 1 : 0, left.block, left.logIndex)
            < (right.any ? 1 : 0, right.block, right.logIndex)
    }
}
