<?php
// Prints what round() of the running PHP returns for random doubles: php rounding.php [CASES [SEED]] > rounding-8.4.json
declare(strict_types=1);

ini_set('serialize_precision', '-1');
$cases = (int) ($argv[1] ?? 300);
$seed = (int) ($argv[2] ?? 1);
$random = new Random\Randomizer(new Random\Engine\Mt19937($seed));
$below = static fn(float $limit): float => $random->getInt(-(2 ** 53), 2 ** 53) / 2 ** 53 * $limit;
$lines = [];
for ($n = 0; $n < $cases; $n++) {
    $places = $random->getInt(0, 2) ? 5 : $random->getInt(-6, 22);
    $half = $random->getInt(-20000000, 20000000) / 10 ** $random->getInt(0, 7) + 0.5 / 10 ** $random->getInt(0, 7);
    $value = match ($random->getInt(0, 5)) {
        0 => $random->getInt(-200000000, 200000000) / 1000000,
        1 => $below(100.0),
        2 => $half,
        3 => $half * (1 + $random->getInt(-3, 3) * PHP_FLOAT_EPSILON),
        4 => $below(1.0) * 10 ** $random->getInt(-12, 20),
        5 => ($random->getInt(-1000000, 1000000) + 0.5) / 10 ** $random->getInt(0, 6),
    };
    $lines[] = json_encode([$value, $places, round($value, $places)], JSON_PRESERVE_ZERO_FRACTION | JSON_THROW_ON_ERROR);
}
echo '{"php": "', PHP_VERSION, "\", \"seed\": $seed, \"cases\": [\n", implode(",\n", $lines), "\n]}\n";
