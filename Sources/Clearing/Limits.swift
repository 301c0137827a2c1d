public import Primitives

/// The most of everything a stranger can ask for.
public enum Limits {
    /// Bytes in a party's or model's name.
    public static let nameBytes = 64
    /// Bytes in a label, region or reason.
    public static let textBytes = 256
    /// Bytes in a model manifest.
    public static let manifestBytes = 65_536
    /// Nodes of one party.
    public static let nodesPerParty = 1_024
    /// API keys of one party.
    public static let keysPerParty = 64
    /// Offers of one node, live or not yet pruned.
    public static let offersPerNode = 64
    /// Jobs of one buyer that have not been delivered yet.
    public static let runningJobsPerBuyer = 1_024
    /// Stages in a pipeline.
    public static let stages = 64
    /// Parties named in a demand's preferences.
    public static let preferences = 64
    /// Models one node verifies.
    public static let modelsPerVerifier = 64
    /// Audits one node has open at a time: it is given no more than it can answer in time.
    public static let openAudits: UInt32 = 32
    /// Nodes in one command of measures.
    public static let measurements = 256
    /// Payment channels that are not over. Their logs are asked for by name, so a node has to
    /// take so many names.
    public static let openChannels = 1_024
    /// Accounts that ever paid on Solana.
    public static let solanaRecords = 256
    /// Withdrawals on demand of one party within an hour.
    public static let withdrawalsPerHour = 10
    /// How long a payment on Solana that cannot be received stays put aside.
    public static let quarantine = Timestamp.Span.seconds(30 * 86_400)
    /// Accounts on Solana from which one party deposits.
    public static let depositorsPerParty = 16
    /// Deposits on Solana that wait to be credited.
    public static let waitingDeposits = 1_024
    /// Concurrent jobs of one offer.
    public static let concurrency: UInt16 = 1_024
}
