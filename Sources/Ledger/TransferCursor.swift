/// Walks one side of an account, in either direction, within a range of places. A block at a time.
struct TransferCursor {
    private let index: TransferIndex
    private let side: TransferIndex.Side
    private let account: Int
    private let bounds: Range<Int>
    private let isReversed: Bool
    /// The block to read next.
    private var block: Int
    /// What is left of the block that was read, oldest first.
    private var places: ArraySlice<Int> = []

    init(
        _ index: TransferIndex, _ side: TransferIndex.Side, of account: Int,
        in bounds: Range<Int>, isReversed: Bool
    ) {
        self.index = index
        self.side = side
        self.account = account
        self.bounds = bounds
        self.isReversed = isReversed
        let first = isReversed ? bounds.upperBound - 1 : bounds.lowerBound
        block = bounds.isEmpty ? -1 : index.block(containing: first, side, of: account)
        read()
    }

    /// The place of the transfer that is next; `nil` at the end.
    var current: Int? { isReversed ? places.last : places.first }

    /// Goes to the next one.
    mutating func advance() {
        if isReversed { places.removeLast() } else { places.removeFirst() }
        read()
    }

    private mutating func read() {
        let blocks = 0..<index.blockCount(side, of: account)
        while places.isEmpty, blocks.contains(block) {
            let found = index.block(block, side, of: account)
            block += isReversed ? -1 : 1
            places = found.drop { $0 < bounds.lowerBound }.prefix { $0 < bounds.upperBound }
            // The first block may end before the range; after it, an empty one is past the range.
            let isPast =
                isReversed
                ? found[0] < bounds.lowerBound : found[found.count - 1] >= bounds.upperBound
            if isPast { block = -1 }
        }
    }
}
