import Economics
import Primitives

/// The house in columns: the same rules as `Clearing`, from the same functions of `Economics` with
/// the same rounding, for one step at a time and without a record of each job. What is alike for
/// many jobs (one buyer's with one provider) is computed once and counted.
struct KernelHouse: House {
    let roster: Roster
    let terms: JobTerms
    var rules: Parameters
    let penaltyPolicy: PenaltyPolicy

    // Offers, in order of posting, which is that of their numbers in the house.
    var live: Column<Int32>
    var liveCount = 0
    var ranked: Column<Int32>
    var sorter: RadixSort
    /// The most that each provider's work in flight may be able to steal, and the bond it was
    /// computed for; -1 if the bond covers nothing.
    var room: Column<Int64>
    var roomBond: Column<Int64>

    /// Objective faults whose penalty was executed: providers, then verifiers.
    var faults: Column<UInt16>
    /// Convictions of the running epoch that stand.
    var convictions: Column<UInt16>
    var epochWork: Column<UInt64>

    // The jobs of the running step.
    var jobStates: [UInt8] = []
    /// Of each fill, jobs whose money does not wait for the window's end.
    var handled: [Int32] = []
    var undrawn: [Int32] = []
    var nextFill: [Int32] = []
    var firstFill: Column<Int32>
    var isIndexed = false
    var isDrawn = false
    /// Jobs opened before the running step.
    var jobsBefore: UInt64 = 0

    /// What a job at an ask comes to: the last ones.
    var divisions: [Division]

    // Verifiers.
    var openAudits: Column<UInt16>
    var able: [Int32] = []

    var pending: [PendingPenalty] = []
    var emissionState = EmissionState.none
    var emissionRest = Amount.zero
    var epoch: UInt64 = 0
    /// Bond at fault in this step, and all there was, for the correlation penalty.
    var faulty = Amount.zero
    var allBonds = Amount.zero

    init(_ roster: Roster, _ terms: JobTerms, rules: Parameters, penalty: PenaltyPolicy) {
        self.roster = roster
        self.terms = terms
        self.rules = rules
        penaltyPolicy = penalty
        live = Column(roster.providers, 0)
        ranked = Column(roster.providers, 0)
        sorter = RadixSort(capacity: roster.providers)
        room = Column(roster.providers, -1)
        roomBond = Column(roster.providers, 0)
        faults = Column(roster.bonded, 0)
        convictions = Column(roster.providers, 0)
        epochWork = Column(roster.providers, 0)
        firstFill = Column(roster.providers, -1)
        openAudits = Column(roster.verifiers, 0)
        divisions = Array(repeating: Division(), count: terms.kinds)
    }

    mutating func visit(_ visitor: inout some ColumnVisitor) {
        visitor.visit(&live)
        visitor.visit(&faults)
        visitor.visit(&convictions)
        visitor.visit(&epochWork)
        visitor.visit(&openAudits)
    }

    mutating func visitScratch(_ visitor: inout some ColumnVisitor) {
        visitor.visit(&ranked)
        visitor.visit(&firstFill)
        visitor.visit(&room)
        visitor.visit(&roomBond)
        sorter.visit(&visitor)
    }

    mutating func configure(_ rules: Parameters) {
        if rules.otherEmission != self.rules.otherEmission { emissionState = .none }
        self.rules = rules
        roomBond.fill(-1)
        divisions = Array(repeating: Division(), count: terms.kinds)
    }

    // MARK: Opening

    mutating func open(_ orders: StepOrders, _ books: inout Books, _ result: inout StepResult) {
        faulty = .zero
        allBonds = .zero
        isIndexed = false
        isDrawn = false
        undrawn.removeAll(keepingCapacity: true)
        for entry in orders.chain { book(entry, &books) }
        post(orders, books)
        match(orders, &books, &result)
        jobStates.removeAll(keepingCapacity: true)
        jobStates.append(contentsOf: repeatElement(0, count: result.jobs))
        handled.removeAll(keepingCapacity: true)
        handled.append(contentsOf: repeatElement(0, count: result.fills.count))
    }

    private func book(_ entry: ChainEntry, _ books: inout Books) {
        let party = Int(entry.party)
        let amount = entry.units * KernelHouse.dollarScale
        switch entry.kind {
        case .deposit:
            books.available[party] += amount
            books.chain += UInt128(amount)
        case .bond:
            books.bonded[party] += amount
            books.chain += UInt128(amount)
        case .unbond:
            let part = min(amount, books.bonded[party])
            books.bonded[party] -= part
            books.unbonding[party] += part
        case .withdraw:
            books.unbonding[party] -= amount
            books.chain -= UInt128(amount)
        }
    }

    /// Offers that go on keep their place; those at another price are posted anew, behind them, in
    /// order of provider.
    private mutating func post(_ orders: StepOrders, _ books: Books) {
        var kept = 0
        for rank in 0..<liveCount {
            let provider = live[rank]
            let ask = books.offered[Int(provider)]
            guard ask != 0, ask == orders.asks[Int(provider)] else {
                books.offered[Int(provider)] = 0
                continue
            }
            live[kept] = provider
            kept += 1
        }
        for provider in 0..<roster.providers where books.offered[provider] == 0 {
            let ask = orders.asks[provider]
            guard ask != 0, books.tombstoned[provider] == 0,
                UInt128(books.bonded[provider]) >= rules.minimumBond.units
            else { continue }
            books.offered[provider] = ask
            live[kept] = Int32(provider)
            kept += 1
        }
        liveCount = kept
        for rank in 0..<kept {
            ranked[rank] = live[rank]
            refreshRoom(Int(live[rank]), books)
        }
        sorter.sort(ranked, count: kept) { UInt32(books.offered[$0]) }
    }

    private func refreshRoom(_ provider: Int, _ books: Books) {
        let bond = books.bonded[provider]
        if roomBond[provider] == bond { return }
        roomBond[provider] = bond
        let largest = BondPolicy.largestExposure(bond: Amount(UInt128(bond)), parameters: rules)
        room[provider] = largest.map { Int64(clamping: $0.units) } ?? -1
    }

    /// Cheapest offer first. An offer that has no room for a job has none for the rest of the step,
    /// so each kind of job passes over the ranked offers once.
    private func match(_ orders: StepOrders, _ books: inout Books, _ result: inout StepResult) {
        var front = [Int](repeating: 0, count: terms.kinds)
        var escrow: UInt128 = 0
        var jobs: Int32 = 0
        for turn in 0..<roster.buyers {
            let buyer = Int(orders.turns[turn])
            var left = Int64(orders.wanted[buyer])
            if left == 0 { continue }
            let kind = orders.kinds[buyer]
            let limit = orders.limits[buyer]
            let seller = orders.sellers[buyer]
            let party = roster.firstBuyer + buyer
            var rank = front[Int(kind)]
            while left > 0 {
                var provider = Int(seller)
                if seller < 0 {
                    if rank == liveCount { break }
                    provider = Int(ranked[rank])
                } else if books.offered[provider] == 0 {
                    break
                }
                let ask = books.offered[provider]
                let cost = terms.cost(kind, ask: ask)
                let slots = Int64(orders.slots[provider]) - Int64(result.used[provider])
                let covered = (room[provider] - books.exposure[provider]) / cost
                let possible = min(slots, covered)
                if possible <= 0 {
                    if seller >= 0 { break }
                    rank += 1
                    continue
                }
                if ask > limit { break }
                let count = min(left, possible, books.available[party] / cost)
                if count == 0 { break }
                result.used[provider] += UInt16(count)
                books.exposure[provider] += cost * count
                books.available[party] -= cost * count
                escrow += UInt128(cost * count)
                result.fills.append(
                    Fill(
                        buyer: Int32(buyer), provider: Int32(provider), first: jobs,
                        count: Int32(count), kind: kind, ask: ask))
                jobs += Int32(count)
                left -= count
                if seller >= 0 || count < possible && left > 0 { break }
            }
            if seller < 0 { front[Int(kind)] = rank }
        }
        books.escrow += escrow
        result.jobs = Int(jobs)
    }

    static var dollarScale: Int64 { 1_000_000 }
    static var tokenScale: Int64 { 1_000 }
}

/// What a job at an ask costs its buyer, brings its provider and the house, and counts as work.
struct Division: Sendable, BitwiseCopyable {
    var ask: Int32 = 0
    var cost: Int64 = 0
    var pay: Int64 = 0
    var fee: Int64 = 0
    var work: UInt64 = 0
}

/// Captured bond on its way to be taken.
struct PendingPenalty: Sendable, BitwiseCopyable {
    let provider: Int32
    let verifier: Int32
    let buyer: Int32
    let rung: UInt8
    /// The job's cost, which waits in escrow.
    let cost: Int64
    /// Captured from the bond, and from what was unbonding.
    let bonded: Int64
    let unbonding: Int64
    /// The epoch with whose end it is taken.
    let epoch: UInt64
}
