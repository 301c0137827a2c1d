/// Everything that a market of CMW-1 holds, each quantity a column of its own in one stretch of
/// memory.
///
/// What fits 32 bits under every possible setting takes 32 bits: prices, capacities, units of work,
/// the buyers' money. One market alone writes them (`CMW1` copies before it writes what is shared).
@safe
final class CMW1Columns: @unchecked Sendable {
    /// What a buyer at some bid still gets, and from which price level it is served next.
    struct Queue: BitwiseCopyable {
        /// Units that buyers at this bid still get.
        var left: Int32 = 0
        /// The level of price that serves them now, and what is left of it for them.
        var price: Int32 = 0
        var rest: Int32 = 0
        private var padding: Int32 = 0
    }

    /// Prices and bids are below it, whatever the settings: a provider raises its price by a
    /// thirty-second and 1 when somebody paid it, and nobody bids more than 4,000.
    static let levels = 4_127

    let providers, buyers: Int

    // Providers, by slot. Money in ten-thousandths of a dollar, tokens in thousandths.
    let cost, price, capacity, sellPart, fixedCost: ColumnView<Int32>
    let active, honest, streak: ColumnView<Int32>
    let bond, tokens, cash, average: ColumnView<Int64>
    // The same, within a step: units served, units paid for, what a unit costs, profit without
    // tokens, tokens for sale.
    let served, paid, unitCost, margin: ColumnView<Int32>
    let offered: ColumnView<Int64>
    // Buyers.
    let income, bid, base, budget, wanted: ColumnView<Int32>
    // By price or bid.
    let supply, demand: ColumnView<Int32>
    let queues: ColumnView<Queue>
    let reciprocals: ColumnView<UInt32>
    /// Slots of active cheaters, some of which may just have left; free slots; those a step frees.
    let cheaters, free, freed: ColumnView<UInt32>

    private let memory: UnsafeMutableRawPointer
    private let bytes: Int

    /// Columns of zeros.
    init(providers: Int, buyers: Int) {
        (self.providers, self.buyers) = (providers, buyers)
        let levels = CMW1Columns.levels
        // Each column begins at a cache line of its own.
        func whole(_ count: Int) -> Int { (count + 15) / 16 * 16 }
        bytes =
            whole(providers) * (12 * 4 + 5 * 8 + 3 * 4) + whole(buyers) * 5 * 4
            + whole(levels) * (3 * 4 + MemoryLayout<Queue>.stride)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        unsafe self.memory = memory
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        var used = 0
        func column<Element: BitwiseCopyable>(_ count: Int) -> ColumnView<Element> {
            let base = unsafe (memory + used).assumingMemoryBound(to: Element.self)
            used += whole(count) * MemoryLayout<Element>.stride
            return unsafe ColumnView(base, count: count)
        }
        (cost, price, capacity) = (column(providers), column(providers), column(providers))
        (sellPart, fixedCost) = (column(providers), column(providers))
        (active, honest, streak) = (column(providers), column(providers), column(providers))
        (served, paid) = (column(providers), column(providers))
        (unitCost, margin) = (column(providers), column(providers))
        (bond, tokens, cash) = (column(providers), column(providers), column(providers))
        (average, offered) = (column(providers), column(providers))
        (cheaters, free, freed) = (column(providers), column(providers), column(providers))
        (income, bid, base) = (column(buyers), column(buyers), column(buyers))
        (budget, wanted) = (column(buyers), column(buyers))
        (supply, demand) = (column(levels), column(levels))
        (reciprocals, queues) = (column(levels), column(levels))
        precondition(used == bytes)
    }

    /// The same numbers in memory of their own.
    func copy() -> CMW1Columns {
        let copy = CMW1Columns(providers: providers, buyers: buyers)
        unsafe copy.memory.copyMemory(from: memory, byteCount: bytes)
        return copy
    }

    deinit { unsafe memory.deallocate() }
}
