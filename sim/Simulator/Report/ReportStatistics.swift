/// What pages say about lists of numbers.
enum ReportStatistics {
    /// Median and the 5 and 95 % quantiles of the values that are numbers; not numbers where none
    /// is.
    static func band(_ values: [Double]) -> (low: Double, middle: Double, high: Double) {
        let sorted = values.filter(\.isFinite).sorted()
        if sorted.isEmpty { return (.nan, .nan, .nan) }
        return (Quantile.of(sorted, 0.05), Quantile.of(sorted, 0.5), Quantile.of(sorted, 0.95))
    }

    /// Ranks from 1; equal values share the mean of theirs.
    private static func ranks(_ values: [Double]) -> [Double] {
        let order = values.indices.sorted { values[$0] < values[$1] }
        var ranks = Array(repeating: 0.0, count: values.count)
        var start = 0
        while start < order.count {
            var end = start
            while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
            for place in start..<end { ranks[order[place]] = Double(start + end + 1) / 2 }
            start = end
        }
        return ranks
    }

    /// Spearman's rank correlation; 0 where one list is constant.
    static func rankCorrelation(_ first: [Double], _ second: [Double]) -> Double {
        let (x, y) = (ranks(first), ranks(second))
        let middle = Double(x.count + 1) / 2
        var (xy, xx, yy) = (0.0, 0.0, 0.0)
        for place in x.indices {
            let (dx, dy) = (x[place] - middle, y[place] - middle)
            xy += dx * dy
            xx += dx * dx
            yy += dy * dy
        }
        return xx > 0 && yy > 0 ? xy / (xx * yy).squareRoot() : 0
    }

    /// Gini's index of sorted values of at least 0: twice the area between the Lorenz curve and
    /// equality.
    static func gini(_ sorted: [Double]) -> Double {
        let sum = sorted.reduce(0, +)
        guard sum > 0 else { return 0 }
        let count = Double(sorted.count)
        let weighted = sorted.enumerated().reduce(0.0) { $0 + Double($1.offset + 1) * $1.element }
        return 2 * weighted / (count * sum) - (count + 1) / count
    }
}
