#include "base/ellswift.h"
#include "base/hash.h"

#include <openssl/bn.h>

/* Field arithmetic modulo p = 2^256 - 2^32 - 977 on OpenSSL's numbers. One struct field a call: its
 * numbers come from one BN_CTX frame and go with it. A failed allocation inside OpenSSL ends the
 * program, as ours do. */
struct field {
    BN_CTX *ctx;
    BIGNUM *p;
    BIGNUM *root_exponent; /* (p + 1) / 4: p is 3 mod 4 */
    BIGNUM *half;          /* 1/2 */
    BIGNUM *c;             /* the square root of -3 that is itself a square */
    BIGNUM *seven;
};

static void must(bool is_done)
{
    assert(is_done);
}

static BIGNUM *number(struct field *f)
{
    BIGNUM *n = BN_CTX_get(f->ctx);

    must(n != NULL);
    BN_zero(n);
    return n;
}

static BIGNUM *number_hex(struct field *f, const char *hex)
{
    BIGNUM *n = number(f);

    must(BN_hex2bn(&n, hex) > 0);
    return n;
}

static void field_open(struct field *f)
{
    f->ctx = BN_CTX_new();
    must(f->ctx != NULL);
    BN_CTX_start(f->ctx);
    f->p = number_hex(f, "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f");
    f->root_exponent =
        number_hex(f, "3fffffffffffffffffffffffffffffffffffffffffffffffffffffffbfffff0c");
    f->half = number_hex(f, "7fffffffffffffffffffffffffffffffffffffffffffffffffffffff7ffffe18");
    f->c = number_hex(f, "0a2d2ba93507f1df233770c2a797962cc61f6d15da14ecd47d8d27ae1cd5f852");
    f->seven = number(f);
    must(BN_set_word(f->seven, 7));
}

static void field_close(struct field *f)
{
    BN_CTX_end(f->ctx);
    BN_CTX_free(f->ctx);
}

static BIGNUM *read32(struct field *f, const uint8_t bytes[32])
{
    BIGNUM *n = number(f);

    must(BN_bin2bn(bytes, 32, n) && BN_nnmod(n, n, f->p, f->ctx));
    return n;
}

static void write32(uint8_t bytes[32], const BIGNUM *n)
{
    must(BN_bn2binpad(n, bytes, 32) == 32);
}

static BIGNUM *add(struct field *f, const BIGNUM *a, const BIGNUM *b)
{
    BIGNUM *r = number(f);

    must(BN_mod_add_quick(r, a, b, f->p));
    return r;
}

static BIGNUM *sub(struct field *f, const BIGNUM *a, const BIGNUM *b)
{
    BIGNUM *r = number(f);

    must(BN_mod_sub_quick(r, a, b, f->p));
    return r;
}

static BIGNUM *negate(struct field *f, const BIGNUM *a)
{
    return sub(f, number(f), a);
}

static BIGNUM *mul(struct field *f, const BIGNUM *a, const BIGNUM *b)
{
    BIGNUM *r = number(f);

    must(BN_mod_mul(r, a, b, f->p, f->ctx));
    return r;
}

/* a / b; b is not 0. */
static BIGNUM *divide(struct field *f, const BIGNUM *a, const BIGNUM *b)
{
    BIGNUM *r = number(f);

    must(BN_mod_inverse(r, b, f->p, f->ctx) != NULL);
    return mul(f, a, r);
}

static BIGNUM *cube_plus_seven(struct field *f, const BIGNUM *a)
{
    return add(f, mul(f, mul(f, a, a), a), f->seven);
}

/* The square root that is a square itself; NULL when a is not a square. */
static BIGNUM *root(struct field *f, const BIGNUM *a)
{
    BIGNUM *r = number(f);

    must(BN_mod_exp(r, a, f->root_exponent, f->p, f->ctx));
    return BN_cmp(mul(f, r, r), a) == 0 ? r : NULL;
}

static bool is_on_curve(struct field *f, const BIGNUM *x)
{
    return BN_kronecker(cube_plus_seven(f, x), f->p, f->ctx) >= 0;
}

static const BIGNUM *decode(struct field *f, const BIGNUM *u, const BIGNUM *t)
{
    const BIGNUM *one = BN_value_one();

    if (BN_is_zero(u))
        u = one;
    if (BN_is_zero(t))
        t = one;

    const BIGNUM *g = cube_plus_seven(f, u);

    if (BN_is_zero(add(f, g, mul(f, t, t))))
        t = add(f, t, t);

    const BIGNUM *big_x = divide(f, sub(f, g, mul(f, t, t)), add(f, t, t));
    const BIGNUM *big_y = divide(f, add(f, big_x, t), mul(f, f->c, u));
    const BIGNUM *y2 = add(f, big_y, big_y);
    const BIGNUM *x = add(f, u, mul(f, y2, y2));

    if (is_on_curve(f, x))
        return x;
    /* -X/Y - u and X/Y - u, halved: one of them is on the curve */
    const BIGNUM *ratio = divide(f, big_x, big_y);

    x = mul(f, f->half, sub(f, negate(f, ratio), u));
    return is_on_curve(f, x) ? x : mul(f, f->half, sub(f, ratio, u));
}

void ellswift_decode(uint8_t x[32], const uint8_t encoding[ELLSWIFT_SIZE])
{
    struct field f;

    field_open(&f);
    write32(x, decode(&f, read32(&f, encoding), read32(&f, encoding + 32)));
    field_close(&f);
}

/* The pair (v, s) of the branch; false when it has none. */
static bool branch_pair(struct field *f, const BIGNUM *x, const BIGNUM *u, unsigned branch,
                        const BIGNUM **v, const BIGNUM **s)
{
    const BIGNUM *g = cube_plus_seven(f, u);

    if (!(branch & 2)) {
        if (is_on_curve(f, negate(f, add(f, x, u))))
            return false;
        *v = x;
        const BIGNUM *norm = add(f, mul(f, u, add(f, u, x)), mul(f, x, x));
        *s = negate(f, divide(f, g, norm));
        return true;
    }
    *s = sub(f, x, u);
    if (BN_is_zero(*s))
        return false;
    /* -s (4 g + 3 u² s) */
    const BIGNUM *us = mul(f, mul(f, u, u), *s);
    const BIGNUM *us3 = add(f, us, add(f, us, us));
    const BIGNUM *g2 = add(f, g, g);
    const BIGNUM *r = root(f, mul(f, negate(f, *s), add(f, add(f, g2, g2), us3)));

    if (!r || ((branch & 1) && BN_is_zero(r)))
        return false;
    *v = mul(f, f->half, sub(f, divide(f, r, *s), u));
    return true;
}

static const BIGNUM *inverse(struct field *f, const BIGNUM *x, const BIGNUM *u, unsigned branch)
{
    const BIGNUM *v, *s, *one = BN_value_one();

    if (!branch_pair(f, x, u, branch, &v, &s))
        return NULL;

    const BIGNUM *w = root(f, s);

    if (!w)
        return NULL;

    const BIGNUM *factor = branch & 1 ? add(f, one, f->c) : sub(f, one, f->c);
    const BIGNUM *t = mul(f, w, add(f, mul(f, f->half, mul(f, u, factor)), v));

    return (branch & 5) == 0 || (branch & 5) == 5 ? negate(f, t) : t;
}

bool ellswift_inverse(uint8_t t[32], const uint8_t x[32], const uint8_t u[32], unsigned branch)
{
    struct field f;

    field_open(&f);
    const BIGNUM *found = inverse(&f, read32(&f, x), read32(&f, u), branch);
    if (found)
        write32(t, found);
    field_close(&f);
    return found != NULL;
}

void ellswift_encode(uint8_t encoding[ELLSWIFT_SIZE], const uint8_t x[32],
                     const uint8_t entropy[32])
{
    uint8_t seed[36], u[32], choice[32];
    uint32_t round = 0;

    memcpy(seed, entropy, 32);
    do { /* one round in four finds a t */
        le32_write(seed + 32, round++);
        sha256_once(u, seed, sizeof seed);
        sha256_once(choice, u, sizeof u);
        memcpy(encoding, u, sizeof u);
    } while (!ellswift_inverse(encoding + 32, x, u, choice[0] & 7));
}
