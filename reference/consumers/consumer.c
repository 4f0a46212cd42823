/* The specification in C99, without a library but the standard one:
 *
 *     cc -std=c99 -O2 -Wall -Wextra -Werror -ffp-contract=off consumer.c -o consumer
 *     minihash conform -- ./consumer
 *
 * Of JSON it reads what the cases need: a value is a node that points into its line. Sums are in
 * double, so that float32 answers are off by far less than their bound.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- XXH32 and its streams (sections 1 and 2) ---- */

static const uint32_t P1 = 2654435761u, P2 = 2246822519u, P3 = 3266489917u, P4 = 668265263u,
                      P5 = 374761393u;

static uint32_t rotate(uint32_t x, int r) { return x << r | x >> (32 - r); }

static uint32_t word_at(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t xxh32(const uint8_t *p, size_t length, uint32_t seed) {
    const uint8_t *end = p + length;
    uint32_t h;
    if (length >= 16) {
        uint32_t lane[4] = {seed + P1 + P2, seed + P2, seed, seed - P1};
        for (; end - p >= 16; p += 16)
            for (int k = 0; k < 4; k++) lane[k] = rotate(lane[k] + word_at(p + 4 * k) * P2, 13) * P1;
        h = rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);
    } else {
        h = seed + P5;
    }
    h += (uint32_t)length;
    for (; end - p >= 4; p += 4) h = rotate(h + word_at(p) * P3, 17) * P4;
    for (; p < end; p++) h = rotate(h + *p * P5, 11) * P1;
    h = (h ^ h >> 15) * P2;
    h = (h ^ h >> 13) * P3;
    return h ^ h >> 16;
}

static uint32_t hashed(uint32_t seed, uint64_t i) {
    uint8_t bytes[8];
    for (int k = 0; k < 8; k++) bytes[k] = (uint8_t)(i >> 8 * k);
    return xxh32(bytes, 8, seed);
}

static uint32_t stream(uint32_t seed, const char *name) {
    return xxh32((const uint8_t *)name, strlen(name), seed);
}

static double uniform(uint32_t seed, uint64_t i) { return (hashed(seed, i) + 0.5) / 4294967296.0; }
static uint64_t scale(uint32_t word, uint64_t n) { return word * n >> 32; }
static int coin(uint32_t seed, uint64_t i) { return hashed(stream(seed, "sign"), i) % 2 ? 1 : -1; }

/* ---- JSON: nodes of one line, made anew for each ---- */

typedef struct Node {
    char kind; /* { [ " 0 t f n */
    const char *text;
    size_t length;
    struct Node *first, *next; /* of an object: keys and values in turns */
} Node;

static Node *nodes;
static size_t used, room;

static Node *new_node(char kind, const char *text) {
    if (used == room) {
        fprintf(stderr, "a line has more than %zu values\n", room);
        exit(1);
    }
    Node *node = &nodes[used++];
    *node = (Node){kind, text, 0, NULL, NULL};
    return node;
}

static const char *blank(const char *p) {
    while (*p == ' ' || *p == ',' || *p == ':' || *p == '\n') p++;
    return p;
}

static Node *parse(const char **at) {
    const char *p = blank(*at);
    Node *node = new_node(*p == '-' || (*p >= '0' && *p <= '9') ? '0' : *p, p);
    if (*p == '{' || *p == '[') {
        Node **last = &node->first;
        for (p = blank(p + 1); *p != '}' && *p != ']'; p = blank(p)) {
            *last = parse(&p);
            last = &(*last)->next;
        }
        p++;
    } else if (*p == '"') {
        for (node->text = ++p; *p != '"'; p++)
            if (*p == '\\') p++;
        node->length = (size_t)(p++ - node->text);
    } else {
        while (*p && !strchr(" ,:]}\n", *p)) p++;
        node->length = (size_t)(p - node->text);
    }
    *at = p;
    return node;
}

static Node *get(const Node *object, const char *key) {
    for (Node *k = object ? object->first : NULL; k; k = k->next->next)
        if (strlen(key) == k->length && !strncmp(k->text, key, k->length)) return k->next;
    return NULL;
}

static size_t count(const Node *list) {
    size_t n = 0;
    for (const Node *e = list->first; e; e = e->next) n++;
    return n;
}

static uint64_t whole(const Node *n, uint64_t otherwise) { return n ? strtoull(n->text, NULL, 10) : otherwise; }
static int is(const Node *n, const char *s) { return n && strlen(s) == n->length && !strncmp(n->text, s, n->length); }

/* All numbers of nested lists, row-major. */
static size_t flatten(const Node *node, double *out) {
    if (node->kind != '[') {
        *out = strtod(node->text, NULL);
        return 1;
    }
    size_t n = 0;
    for (const Node *e = node->first; e; e = e->next) n += flatten(e, out + n);
    return n;
}

static void *get_room(size_t n, size_t size) {
    void *p = calloc(n ? n : 1, size);
    if (!p) exit(1);
    return p;
}

/* ---- hashes (section 3) ---- */

typedef struct {
    uint64_t bucket;
    int sign;
} Entry;

static Entry at(const Node *f, uint64_t i) {
    uint64_t n = whole(get(f, "buckets"), 0);
    uint32_t seed = (uint32_t)whole(get(f, "seed"), 0);
    const Node *type = get(f, "type");
    int sign = is(get(f, "signed"), "true") ? coin(seed, i) : 1;
    if (is(type, "Identity")) return (Entry){i, 1};
    if (is(type, "Modulus")) return (Entry){i % n, sign};
    if (is(type, "Uniform")) return (Entry){scale(hashed(stream(seed, "bucket"), i), n), sign};
    if (is(type, "Neighborhood")) {
        uint64_t radius = whole(get(f, "radius"), 0);
        uint64_t drawn = scale(hashed(stream(seed, "bucket"), i), 2 * radius + 1);
        return (Entry){(i % n + drawn + n - radius % n) % n, sign}; /* no step wraps */
    }
    if (is(type, "HashedNets")) {
        uint64_t fan_in = whole(get(f, "fan_in"), 1), o = i / fan_in + 1, j = i % fan_in + 1;
        const Node *tag = get(f, "tag");
        char key[160];
        uint32_t words[2];
        for (int k = 0; k < 2; k++) {
            snprintf(key, sizeof key, "%llu%llu%llu_%llu%llu%llu%s%c", (unsigned long long)o,
                     (unsigned long long)o + 1, (unsigned long long)o + 2, (unsigned long long)j,
                     (unsigned long long)j + 1, (unsigned long long)j + 2, k ? "xi_" : "idx",
                     tag ? *tag->text : 'W');
            words[k] = stream((uint32_t)whole(get(f, "seed"), 1691), key);
        }
        return (Entry){words[0] % n, words[1] % 2 ? 1 : -1};
    }
    Node *bucket = get(f, "assignment")->first, *own = get(f, "signs"); /* Lookup */
    own = own && own->kind == '[' ? own->first : NULL;
    for (; i; i--) {
        bucket = bucket->next;
        if (own) own = own->next;
    }
    return (Entry){whole(bucket, 0), own ? (int)strtol(own->text, NULL, 10) : 1};
}

/* ---- virtual weights (sections 6 and 22) ---- */

typedef struct {
    size_t rows, columns, buckets;
    Entry *entries;
} Weight;

static int virtual_weight(const Node *w, Weight *out) {
    const Node *shape = get(w, "shape"), *hash = get(w, "hash"), *assigned = get(hash, "assignment");
    uint64_t first = whole(get(w, "first_id"), 0), domain = UINT64_MAX;
    out->rows = (size_t)whole(shape->first, 1);
    out->columns = shape->first->next ? (size_t)whole(shape->first->next, 1) : 1;
    out->buckets = (size_t)whole(get(hash, "buckets"), 0);
    size_t size = out->rows * out->columns;
    if (is(get(hash, "type"), "Identity")) domain = out->buckets;
    if (assigned) domain = count(assigned);
    if (first + size > domain) return 0;
    out->entries = get_room(size, sizeof(Entry));
    int transposed = is(get(w, "transposed"), "true");
    for (size_t e = 0; e < size; e++) {
        size_t own = transposed ? e % out->columns * out->rows + e / out->columns : e;
        out->entries[e] = at(hash, first + own);
    }
    return 1;
}

static double *read_out(const Weight *w, const double *table) {
    size_t size = w->rows * w->columns;
    double *V = get_room(size, sizeof(double));
    for (size_t e = 0; e < size; e++)
        V[e] = w->entries[e].sign ? w->entries[e].sign * table[w->entries[e].bucket] : 0;
    return V;
}

static double *scatter_add(const Weight *w, const double *dV) {
    double *dtable = get_room(w->buckets, sizeof(double));
    for (size_t e = 0; e < w->rows * w->columns; e++)
        dtable[w->entries[e].bucket] += w->entries[e].sign * dV[e];
    return dtable;
}

/* ---- answers ---- */

static void print_list(const char *name, const double *v, size_t rows, size_t columns, int nested) {
    printf("\"%s\": [", name);
    for (size_t r = 0; r < rows; r++) {
        printf("%s%s", r ? ", " : "", nested ? "[" : "");
        for (size_t c = 0; c < columns; c++) printf("%s%.17g", c ? ", " : "", v[r * columns + c]);
        if (nested) printf("]");
    }
    printf("]");
}

static double *numbers(const Node *q, const char *name, size_t most) {
    double *v = get_room(most, sizeof(double));
    const Node *found = get(q, name);
    if (found) flatten(found, v);
    return v;
}

static void products(const Node *q) {
    Weight w;
    if (!virtual_weight(get(q, "weight"), &w)) {
        printf("{\"error\": \"identifiers beyond the domain of the hash\"}");
        return;
    }
    size_t size = w.rows * w.columns, batch = get(q, "x") ? count(get(q, "x")) : 0;
    double *table = numbers(q, "table", w.buckets), *V = read_out(&w, table);
    double *x = numbers(q, "x", batch * w.columns), *dy = numbers(q, "dy", batch * w.rows);
    double *dV = numbers(q, "dV", size), *y = get_room(batch * w.rows, sizeof(double));
    double *dx = get_room(batch * w.columns, sizeof(double));
    for (size_t b = 0; b < batch; b++)
        for (size_t o = 0; o < w.rows; o++)
            for (size_t i = 0; i < w.columns; i++) {
                y[b * w.rows + o] += x[b * w.columns + i] * V[o * w.columns + i];
                dx[b * w.columns + i] += dy[b * w.rows + o] * V[o * w.columns + i];
                dV[o * w.columns + i] += dy[b * w.rows + o] * x[b * w.columns + i];
            }
    double *dtable = scatter_add(&w, dV);
    const Node *op = get(q, "op");
    printf("{");
    if (is(op, "gather")) print_list("V", V, w.rows, w.columns, 1);
    if (is(op, "matmul")) print_list("y", y, batch, w.rows, 1);
    if (is(op, "matmul_backward")) {
        print_list("dx", dx, batch, w.columns, 1);
        printf(", ");
    }
    if (!is(op, "gather") && !is(op, "matmul")) print_list("dtable", dtable, 1, w.buckets, 0);
    printf("}");
    free(table), free(V), free(x), free(dy), free(dV), free(y), free(dx), free(dtable);
    free(w.entries);
}

static uint32_t *order_words;

static int by_word(const void *a, const void *b) {
    uint32_t v = order_words[*(const uint32_t *)a], w = order_words[*(const uint32_t *)b];
    return (v > w) - (v < w);
}

static void epoch_order(const Node *q) {
    size_t n = (size_t)whole(get(q, "count"), 0);
    uint64_t epoch = whole(get(q, "epoch"), 0);
    uint32_t seed = stream((uint32_t)whole(get(q, "seed"), 0), "epoch");
    uint32_t *order = get_room(n, sizeof(uint32_t));
    order_words = get_room(n, sizeof(uint32_t));
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i, order_words[i] = hashed(seed, i + (epoch << 32));
    qsort(order, n, sizeof(uint32_t), by_word);
    printf("{\"order\": [");
    for (size_t i = 0; i < n; i++) printf("%s%u", i ? ", " : "", order[i]);
    printf("]}");
    free(order), free(order_words);
}

static void initial_table(const Node *q) {
    char name[200] = "init/";
    const Node *table = get(q, "table");
    strncat(name, table->text, table->length < 190 ? table->length : 190);
    uint32_t seed = stream((uint32_t)whole(get(q, "seed"), 0), name);
    size_t n = (size_t)whole(get(q, "entries"), 0);
    double bound = strtod(get(q, "bound")->text, NULL), *v = get_room(n, sizeof(double));
    for (size_t k = 0; k < n; k++) v[k] = bound * (2 * uniform(seed, k) - 1);
    printf("{");
    print_list("values", v, 1, n, 0);
    printf(", \"float32_bits\": [");
    for (size_t k = 0; k < n; k++) {
        float f = (float)v[k];
        uint32_t bits;
        memcpy(&bits, &f, 4);
        printf("%s%u", k ? ", " : "", bits);
    }
    printf("]}");
    free(v);
}

/* One number for each identifier, word, name or byte string. */
static void lists(const Node *q) {
    const Node *op = get(q, "op"), *from = get(q, "identifiers");
    uint32_t seed = (uint32_t)whole(get(q, "seed"), 0);
    if (is(op, "scale")) from = get(q, "words");
    if (is(op, "stream")) from = get(q, "names");
    if (get(q, "bytes")) from = get(q, "bytes");
    const char *name = is(op, "scale") ? "scaled" : is(op, "stream") ? "streams" : is(op, "uniform")
                       ? "uniforms" : is(op, "sign") ? "signs" : "hashes";
    printf("{\"%s\": [", name);
    for (const Node *e = from->first; e; e = e->next) {
        uint64_t i = strtoull(e->text, NULL, 10);
        if (e != from->first) printf(", ");
        if (is(op, "scale")) printf("%llu", (unsigned long long)scale((uint32_t)i, whole(get(q, "n"), 1)));
        else if (is(op, "uniform")) printf("%.17g", uniform(seed, i));
        else if (is(op, "sign")) printf("%d", coin(seed, i));
        else if (is(op, "stream")) printf("%u", xxh32((const uint8_t *)e->text, e->length, seed));
        else if (!get(q, "bytes")) printf("%u", hashed(seed, i));
        else {
            uint8_t bytes[256];
            for (size_t k = 0; k < e->length / 2; k++) {
                char pair[3] = {e->text[2 * k], e->text[2 * k + 1], 0};
                bytes[k] = (uint8_t)strtoul(pair, NULL, 16);
            }
            printf("%u", xxh32(bytes, e->length / 2, seed));
        }
    }
    printf("]}");
}

static void hashes(const Node *q) {
    const Node *hash = get(q, "hash"), *ids = get(q, "identifiers");
    for (int part = 0; part < 2; part++) {
        printf(part ? "], \"signs\": [" : "{\"buckets\": [");
        for (const Node *e = ids->first; e; e = e->next) {
            Entry entry = at(hash, strtoull(e->text, NULL, 10));
            printf("%s", e == ids->first ? "" : ", ");
            if (part) printf("%d", entry.sign);
            else printf("%llu", (unsigned long long)entry.bucket);
        }
    }
    printf("]}");
}

int main(void) {
    static const char *of_hashes[] = {"hash", "gather", "scatter_add", "matmul", "matmul_backward"};
    static const char *types[] = {"Identity", "Modulus", "Uniform", "Neighborhood", "HashedNets", "Lookup"};
    size_t most = 1 << 22;
    char *line = get_room(most, 1);
    room = most / 8;
    nodes = get_room(room, sizeof(Node));
    while (fgets(line, (int)most, stdin)) {
        const char *p = line;
        used = 0;
        const Node *q = parse(&p), *op = get(q, "op");
        if (is(op, "hello")) {
            printf("{\"name\": \"C99\", \"claims\": [\"xxh32\", \"stream\", \"uniform\", \"scale\", "
                   "\"sign\", \"initial_table\", \"epoch_order\"");
            for (int k = 0; k < 5; k++)
                for (int t = 0; t < 6; t++) printf(", \"%s:%s\"", of_hashes[k], types[t]);
            printf("]}");
        } else if (is(op, "hash")) hashes(q);
        else if (is(op, "epoch_order")) epoch_order(q);
        else if (is(op, "initial_table")) initial_table(q);
        else if (get(q, "weight")) products(q);
        else lists(q);
        printf("\n");
        fflush(stdout);
    }
    free(line), free(nodes);
    return 0;
}
