/// A plot of a report: the drawing, what it shows, and its numbers.
public struct ReportPlot: Sendable {
    /// The name of its file, without the ending.
    public let name: String
    /// What it shows, in a few words.
    public let title: String
    /// How to read it, in a sentence.
    public let caption: String
    /// An `<svg>` element; `SVGCanvas.file` makes a file of it.
    let element: String
    /// The numbers that are drawn, as CSV.
    public let csv: String
    /// The study's file that they are from.
    public let source: String

    /// The drawing as a file of its own.
    public var svg: String { SVGCanvas.file(element) }
}

/// Lines with bands: a number of x, and low, middle and high of y.
struct LineChart {
    struct Series {
        let name: String
        var points: [(x: Double, low: Double, middle: Double, high: Double)]
    }

    var series: [Series]
    var xTitle: String
    var yTitle: String
    var xLogarithmic = false
    /// Whether the axis begins at 0 if all is above.
    var fromZero = false
    /// Whether points are marked: where there are few.
    var marks = false

    /// Points beyond which neighbours are left out: more than the drawing has dots.
    private static let most = 800

    func element(title: String) -> String {
        let all = series.flatMap(\.points)
        let legend =
            series.count < 2
            ? []
            : series.enumerated().map { ($0.element.name, PlotStyle.series($0.offset)) }
        var frame = PlotFrame(
            .init(
                xTitle: xTitle, yTitle: yTitle, xValues: all.map(\.x) + (fromZero ? [0] : []),
                yValues: all.flatMap { [$0.low, $0.middle, $0.high] },
                xLogarithmic: xLogarithmic, legend: legend))
        let (x, y) = (frame.x, frame.y)
        let drawn = series.map { thinned($0.points.filter { $0.middle.isFinite }) }
        for (place, points) in drawn.enumerated() where points.contains(where: { $0.low < $0.high })
        {
            let upper = points.map { (x.place($0.x), y.place($0.high)) }
            let lower = points.reversed().map { (x.place($0.x), y.place($0.low)) }
            frame.canvas.path(
                upper + lower, style: "band \(PlotStyle.series(place))", closed: true)
        }
        for (place, points) in drawn.enumerated() {
            frame.canvas.path(
                points.map { (x.place($0.x), y.place($0.middle)) },
                style: "line \(PlotStyle.series(place))")
            guard marks else { continue }
            for point in points {
                frame.canvas.circle(
                    x.place(point.x), y.place(point.middle), 3.2,
                    style: "dot \(PlotStyle.series(place))",
                    tip: "\(point.x): \(ReportNumber.short(point.middle))")
            }
        }
        return frame.canvas.element(title: title)
    }

    private func thinned<Point>(_ points: [Point]) -> [Point] {
        let every = (points.count + Self.most - 1) / Self.most
        if every < 2 { return points }
        return points.indices.filter { $0 % every == 0 || $0 == points.count - 1 }.map {
            points[$0]
        }
    }

    /// The numbers, a row a point.
    var csv: String {
        var text = "series,x,low,middle,high\n"
        for line in series {
            for point in line.points {
                text += "\(line.name),\(point.x),\(point.low),\(point.middle),\(point.high)\n"
            }
        }
        return text
    }
}

/// Points, each with a name or none.
struct ScatterPlot {
    var points: [(x: Double, y: Double, name: String?)]
    var xTitle: String
    var yTitle: String
    /// A line over them, from left to right.
    var trend: [(Double, Double)] = []

    func element(title: String) -> String {
        var frame = PlotFrame(
            .init(
                xTitle: xTitle, yTitle: yTitle, xValues: points.map(\.x) + (isNamed ? [0] : []),
                yValues: points.map(\.y)))
        let (x, y) = (frame.x, frame.y)
        let radius = points.count > 400 ? 2.2 : 3.5
        for point in points where point.x.isFinite && point.y.isFinite {
            frame.canvas.circle(
                x.place(point.x), y.place(point.y), radius, style: "dot s0", tip: point.name)
        }
        frame.canvas.path(trend.map { (x.place($0.0), y.place($0.1)) }, style: "line s1")
        for point in points {
            guard let name = point.name else { continue }
            let place = x.place(point.x)
            let isLate = place + SVGCanvas.width(of: name) + 8 > frame.right
            frame.canvas.text(
                name, place + (isLate ? -7 : 7), y.place(point.y) - 6, isLate ? .end : .start)
        }
        return frame.canvas.element(title: title)
    }

    private var isNamed: Bool { points.contains { $0.name != nil } }

    /// The numbers, a row a point.
    var csv: String {
        points.reduce(into: "name,x,y\n") { $0 += "\($1.name ?? ""),\($1.x),\($1.y)\n" }
    }
}

/// How unequal something is: the part of the sum that the poorest part has, beside equality.
struct LorenzCurve {
    /// Each group with its values of at least 0.
    var groups: [(name: String, values: [Double])]
    var about: String

    private func curve(_ values: [Double]) -> [(Double, Double)] {
        let sorted = values.sorted()
        let sum = sorted.reduce(0, +)
        var (points, held): ([(Double, Double)], Double) = ([(0, 0)], 0)
        for (place, value) in sorted.enumerated() {
            held += value
            points.append((Double(place + 1) / Double(sorted.count), sum > 0 ? held / sum : 0))
        }
        let every = (points.count + 399) / 400
        return points.indices.filter { $0 % every == 0 || $0 == points.count - 1 }
            .map { points[$0] }
    }

    func element(title: String) -> String {
        let legend = groups.enumerated().map { place, group in
            let index = ReportStatistics.gini(group.values.sorted())
            return (
                "\(group.name): Gini \(ReportNumber.short(index))", PlotStyle.series(place)
            )
        }
        var frame = PlotFrame(
            .init(
                xTitle: "part of all, from the one with the least", yTitle: "part of \(about)",
                xValues: [0, 1], yValues: [0, 1], legend: legend))
        let (x, y) = (frame.x, frame.y)
        frame.canvas.line(x.place(0), y.place(0), x.place(1), y.place(1), style: "equal")
        for (place, group) in groups.enumerated() {
            frame.canvas.path(
                curve(group.values).map { (x.place($0.0), y.place($0.1)) },
                style: "line \(PlotStyle.series(place))")
        }
        return frame.canvas.element(title: title)
    }

    /// The numbers, a row a point of a curve.
    var csv: String {
        var text = "group,part_of_all,part_of_sum\n"
        for group in groups {
            for point in curve(group.values) { text += "\(group.name),\(point.0),\(point.1)\n" }
        }
        return text
    }
}
