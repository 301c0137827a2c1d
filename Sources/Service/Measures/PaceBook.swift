import Clearing
import Primitives
import Synchronization

/// What was measured of nodes since the house began, until it is booked. Medians of the last few
/// samples, so that a stall or a lucky moment is no figure.
final class PaceBook: Sendable {
    /// What a pace is of.
    struct Work: Hashable {
        let node: PublicKey
        let model: ModelID
        let layers: LayerRange
    }

    private struct Samples {
        var tokens: [UInt32] = []
        var prompts: [UInt32] = []

        mutating func add(_ sample: PaceMeter.Sample) {
            switch sample {
            case .token(let time): Self.keep(time, in: &tokens)
            case .prompt(let time): Self.keep(time, in: &prompts)
            }
        }

        private static func keep(_ time: UInt32, in list: inout [UInt32]) {
            list.append(time)
            if list.count > PaceBook.kept { list.removeFirst() }
        }
    }

    /// Samples a figure is the median of, and how many there must be before there is a figure.
    static let kept = 15
    private static let fewest = (tokens: 5, prompts: 1)
    private let samples = Mutex<[Work: Samples]>([:])

    func add(_ sample: PaceMeter.Sample, of work: Work) {
        samples.withLock { $0[work, default: Samples()].add(sample) }
    }

    /// The figures that differ from those in the books by more than measuring again would, of at
    /// most as many nodes as one command takes. `roundTrip` gives a node's, in microseconds.
    func news(
        for house: borrowing ClearingHouse, roundTrip: (PublicKey) -> UInt32?
    ) -> [NodeMeasurement] {
        let found = samples.withLock { $0 }
        var paces: [PublicKey: [StagePace]] = [:]
        for (work, samples) in found {
            let pace = StagePace(
                model: work.model, layers: work.layers,
                tokenTime: Self.median(samples.tokens, fewest: Self.fewest.tokens),
                promptTime: Self.median(samples.prompts, fewest: Self.fewest.prompts))
            paces[work.node, default: []].append(pace)
        }
        var news: [NodeMeasurement] = []
        for node in house.nodes where node.online {
            var measures = NodeMeasures()
            let trip = NodeMeasures.rounded(roundTrip(node.key) ?? 0)
            if Self.isNews(trip, node.measures.roundTrip) { measures.roundTrip = trip }
            for pace in paces[node.key] ?? [] {
                guard Self.isOffered(pace, by: node, house) else { continue }
                let known = node.measures.pace(of: pace.model, pace.layers)
                let isNews =
                    Self.isNews(pace.tokenTime, known?.tokenTime ?? 0)
                    || Self.isNews(pace.promptTime, known?.promptTime ?? 0)
                if isNews { measures.paces.append(Self.filled(pace, from: known)) }
            }
            if measures == NodeMeasures() { continue }
            measures.paces.sort { ($0.model, $0.layers) < ($1.model, $1.layers) }
            measures.paces = Array(measures.paces.prefix(Limits.offersPerNode))
            news.append(NodeMeasurement(node: node.id, measures: measures))
            if news.count == Limits.measurements { break }
        }
        return news
    }

    /// The books keep no pace of what is not offered.
    private static func isOffered(
        _ pace: StagePace, by node: NodeRecord, _ house: borrowing ClearingHouse
    ) -> Bool {
        for id in node.offers {
            guard let draft = house.offer(id)?.draft else { continue }
            if draft.model == pace.model, draft.layers == pace.layers { return true }
        }
        return false
    }

    /// What has not been measured stays as it is booked.
    private static func filled(_ pace: StagePace, from known: StagePace?) -> StagePace {
        var pace = pace
        if pace.tokenTime == 0 { pace.tokenTime = known?.tokenTime ?? 0 }
        if pace.promptTime == 0 { pace.promptTime = known?.promptTime ?? 0 }
        return pace
    }

    private static func median(_ samples: [UInt32], fewest: Int) -> UInt32 {
        if samples.count < fewest { return 0 }
        return NodeMeasures.rounded(samples.sorted()[samples.count / 2])
    }

    /// Whether a figure is more than a quarter from the one that is booked: rounding alone moves it
    /// by an eighth.
    private static func isNews(_ figure: UInt32, _ booked: UInt32) -> Bool {
        if figure == 0 || figure == booked { return false }
        let change = figure > booked ? figure - booked : booked - figure
        return UInt64(change) * 4 > UInt64(booked)
    }
}
