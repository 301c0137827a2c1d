import Clearing
import Cryptography
import Primitives
import Service

/// Settlements by plan as the API shows them.
enum PayoutViews {
    /// What the chains charged for something.
    struct Cost: Encodable, Sendable {
        let coin, units: String
        let gas: UInt64
        let transaction: String

        init(_ cost: ChainCost) {
            coin = "\(cost.coin)"
            units = "\(cost.units)"
            gas = cost.gas
            transaction =
                Signature(cost.transaction).map { PayoutOwner.text($0) }
                ?? Hex.encode(cost.transaction)
        }
    }

    /// What was charged for something in all, and for each of so many, rounded up; `nil` if nothing
    /// was charged yet.
    struct Charged {
        let total, each: String?

        init(_ costs: [ChainCost], among count: Int) {
            let sum = costs.reduce(UInt128(0)) { $0.saturatingSum($1.units) }
            let (whole, rest) = sum.quotientAndRemainder(dividingBy: UInt128(max(count, 1)))
            total = costs.isEmpty ? nil : "\(sum)"
            each = costs.isEmpty ? nil : "\(rest == 0 ? whole : whole + 1)"
        }
    }

    /// What a dispersal is made of, read from the books.
    struct Source: Sendable {
        let dispersal: Clearing.Dispersal
        let costs: [ChainCost]
        let books: LiabilityCommitment?
        /// The transaction that states them, where that is not the payment's own.
        let statement: [UInt8]?

        init(_ dispersal: Clearing.Dispersal, _ house: borrowing ClearingHouse) {
            self.dispersal = dispersal
            let stated = dispersal.rail == .solana ? house.statement(of: dispersal.id) : nil
            statement = stated?.transaction
            books = stated?.books ?? house.books(of: dispersal.id)
            costs = house.charges(of: dispersal)
        }
    }

    struct Dispersal: Encodable, Sendable {
        struct Payment: Encodable, Sendable {
            let party: UInt64
            let receiver, amount, units, stage: String
            let transaction: String?
        }

        /// What its transaction carries behind the arguments, and where it is in the journal; on
        /// Solana, what a transaction of its own states.
        struct Books: Encodable, Sendable {
            let sequence: UInt64
            let journalHead, liabilitiesRoot: String
            let transaction: String?
        }

        /// Where the root stands that it is, on Solana.
        struct Root: Encodable, Sendable {
            let pool, stage: String
            let epoch: UInt64?
        }

        let dispersal, madeAt, payer: UInt64
        let rail, asset, name, total: String
        let root: Root?
        let transaction: String?
        let withdrawal: String?
        let books: Books?
        let open: Bool
        let payees, paid: Int
        let costs: [Cost]
        /// What was charged for it in all, and for each payment that was made, rounded up.
        let costUnits, costPerPayout: String?
        /// Why it waits, if that is not for its payees.
        let waitsFor: String?
        let payments: [Payment]

        /// In a list a root of many payees is shown without them.
        init(_ source: Source, _ desk: PayoutDesk?, isListed: Bool = false) {
            let record = source.dispersal
            let isLong = record.payments.count > SettlementPlan.payeesPerDispersal
            let stages = desk?.stages(of: record) ?? []
            dispersal = record.id.rawValue
            madeAt = record.madeAt.milliseconds
            payer = record.payer.rawValue
            rail = "\(record.rail)"
            asset = record.asset.code
            name = record.name.hex
            total = PayoutViews.text(
                record.payments.reduce(0) { $0 + $1.units }, record.asset)
            root = record.root.map {
                Root(
                    pool: PayoutOwner.text($0.pool), stage: "\($0.stage)",
                    epoch: $0.isFunded ? $0.epoch : nil)
            }
            transaction = record.transaction == .zero ? nil : record.transaction.hex
            withdrawal = record.withdrawal?.hex
            books = source.books.map {
                Books(
                    sequence: $0.sequence, journalHead: $0.head.hex,
                    liabilitiesRoot: $0.root.hex,
                    transaction: source.statement.flatMap { Signature($0) }.map {
                        PayoutOwner.text($0)
                    })
            }
            open = record.isOpen
            payees = record.payments.count
            paid = record.payments.count { $0.state == .paid }
            costs = source.costs.map(Cost.init)
            let charged = Charged(source.costs, among: paid)
            (costUnits, costPerPayout) = (charged.total, charged.each)
            waitsFor = record.isOpen ? desk?.waitsFor(record) : nil
            payments = (isListed && isLong ? [] : record.payments).enumerated().map {
                place, payment in
                Payment(
                    party: payment.party.rawValue, receiver: PayoutViews.text(payment.receiver),
                    amount: PayoutViews.text(payment.units, record.asset),
                    units: "\(payment.units)",
                    stage: place < stages.count ? stages[place].rawValue : "\(payment.state)",
                    transaction: payment.transaction.map { PayoutOwner.text($0) })
            }
        }
    }

    struct Settlement: Encodable, Sendable {
        struct Quotes: Encodable, Sendable {
            /// Gas of each operation, with what a rollup charges beside it.
            struct Gas: Encodable, Sendable {
                let commit, activate, claim, dispersal, payee: UInt64
                let newHolder: UInt64?
            }

            /// The lamports of each operation of a pool on Solana.
            struct Pool: Encodable, Sendable {
                let pool: String
                let commit, activate, claim, record: UInt64

                init(_ quote: PoolQuote) {
                    pool = PayoutOwner.text(quote.pool)
                    (commit, activate) = (quote.commit, quote.activate)
                    (claim, record) = (quote.claim, quote.record)
                }
            }

            let gas: Gas
            let pool: Pool?
            let gasPrice, bearing, minimumUsd, minimumTly: String
            let batchesPerClaim: UInt16
            let signatureLamports, priorityLamports: UInt64
            let pushUsd, pushTly, solanaUsd: String?
            let vouches: Bool
            let voucherGas: UInt64
            /// How many of those that could be sent money hold none of the token.
            let newHolders: Int?
        }

        let madeAt, gas: UInt64
        let batch: UInt64?
        let firstDispersal: UInt64
        let dispersals, carried, vouchers: UInt32
        let lamports: UInt64?
        let netted: String
        let quotes: Quotes

        init(_ record: SettlementRecord) {
            madeAt = record.madeAt.milliseconds
            gas = record.gas
            batch = record.batch == .none ? nil : record.batch.rawValue
            firstDispersal = record.firstDispersal.rawValue
            dispersals = record.dispersals
            carried = record.carried
            vouchers = record.vouchers
            lamports = record.quotes.pool == nil ? nil : record.lamports
            netted = Asset.usd.format(record.netted)
            let told = record.quotes
            let table = told.gas
            quotes = Quotes(
                gas: Quotes.Gas(
                    commit: table.commit, activate: table.activate, claim: table.claim,
                    dispersal: table.dispersal, payee: table.payee,
                    newHolder: told.newHolders?.gas),
                pool: told.pool.map(Quotes.Pool.init), gasPrice: "\(told.gasPrice)",
                bearing: "\(told.bearing)",
                minimumUsd: Asset.usd.format(told.minimum[.usd]),
                minimumTly: Asset.tly.format(told.minimum[.tly]),
                batchesPerClaim: told.batchesPerClaim,
                signatureLamports: told.signatureLamports,
                priorityLamports: told.priorityLamports,
                pushUsd: told.pushFloat.map { Asset.usd.format($0[.usd]) },
                pushTly: told.pushFloat.map { Asset.tly.format($0[.tly]) },
                solanaUsd: told.solanaFloat.map { Asset.usd.format($0) },
                vouches: told.vouches, voucherGas: told.gas.voucher,
                newHolders: told.newHolders?.all.count)
        }
    }

    static func text(_ units: UInt128, _ asset: Asset) -> String {
        asset.amount(chainUnits: units).map { asset.format($0) } ?? "\(units) units"
    }

    static func text(_ receiver: PayoutReceiver) -> String {
        switch receiver {
        case .evm(let address): address.hex
        case .solana(let owner): PayoutOwner.text(owner)
        }
    }
}
