/* hiredis: its blocking API.    hiredis [load SECONDS] */

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT 6379
#define PROXY 6380
#define CONTROL 6381
#define BIG 200000

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

static void shown(const char *what) {
    printf("shown %s\n", what);
    fflush(stdout);
}

/* Asks the harness for a restart or a cut: see harness.py. */
static void control(const char *line) {
    int end = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(CONTROL)};
    char answer[200] = {0};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(end, (struct sockaddr *)&to, sizeof to) == 0);
    dprintf(end, "%s\n", line);
    CHECK(read(end, answer, sizeof answer - 1) > 0);
    CHECK(strcmp(answer, "ok\n") == 0);
    close(end);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* A connection, though the server may just be away. */
static redisContext *reach(int port) {
    double until = now() + 20;
    for (;;) {
        redisContext *c = redisConnect("127.0.0.1", port);
        CHECK(c != NULL);
        redisReply *reply = c->err ? NULL : redisCommand(c, "PING");
        int well = reply != NULL && reply->type == REDIS_REPLY_STATUS;
        if (reply) freeReplyObject(reply);
        if (well) return c;
        CHECK(now() < until);
        redisFree(c);
        usleep(20000);
    }
}

/* The integer that a command answers. */
static long long number(redisContext *c, const char *command) {
    redisReply *reply = redisCommand(c, command);
    CHECK(reply != NULL && reply->type == REDIS_REPLY_INTEGER);
    long long value = reply->integer;
    freeReplyObject(reply);
    return value;
}

static void expect(redisContext *c, const char *command, const char *text) {
    redisReply *reply = redisCommand(c, command);
    CHECK(reply != NULL && reply->str != NULL);
    CHECK(strcmp(reply->str, text) == 0);
    freeReplyObject(reply);
}

static void pipelines(redisContext *c) {
    redisReply *reply;
    for (int i = 0; i < 1000; i++) {
        CHECK(redisAppendCommand(c, "SET k%d %d", i, i) == REDIS_OK);
        CHECK(redisAppendCommand(c, "GET k%d", i) == REDIS_OK);
    }
    for (int i = 0; i < 1000; i++) {
        CHECK(redisGetReply(c, (void **)&reply) == REDIS_OK && strcmp(reply->str, "OK") == 0);
        freeReplyObject(reply);
        CHECK(redisGetReply(c, (void **)&reply) == REDIS_OK && atoi(reply->str) == i);
        freeReplyObject(reply);
    }
    const char *binary = "a\0b";
    reply = redisCommand(c, "SET %b %b", binary, (size_t)3, "\r\n\0", (size_t)3);
    freeReplyObject(reply);
    reply = redisCommand(c, "GET %b", binary, (size_t)3);
    CHECK(reply->len == 3 && memcmp(reply->str, "\r\n\0", 3) == 0);
    freeReplyObject(reply);
    shown("pipeline");
}

static void transactions(redisContext *c) {
    expect(c, "MULTI", "OK");
    expect(c, "INCR n", "QUEUED");
    expect(c, "HSET h f v", "QUEUED");
    redisReply *reply = redisCommand(c, "EXEC");
    CHECK(reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[0]->integer == 1);
    freeReplyObject(reply);
    redisContext *other = reach(PORT);
    expect(c, "WATCH n", "OK");
    CHECK(number(other, "INCR n") == 2);
    expect(c, "MULTI", "OK");
    expect(c, "SET n 100", "QUEUED");
    reply = redisCommand(c, "EXEC");
    CHECK(reply->type == REDIS_REPLY_NIL);
    freeReplyObject(reply);
    expect(c, "GET n", "2");
    redisFree(other);
    shown("transaction");
}

static void messages(redisContext *c) {
    redisContext *sub = reach(PORT);
    redisReply *reply = redisCommand(sub, "SUBSCRIBE news");
    CHECK(strcmp(reply->element[0]->str, "subscribe") == 0);
    freeReplyObject(reply);
    reply = redisCommand(sub, "PSUBSCRIBE w*");
    CHECK(reply->element[2]->integer == 2);
    freeReplyObject(reply);
    CHECK(number(c, "PUBLISH news one") == 1 && number(c, "PUBLISH weather two") == 1);
    CHECK(redisGetReply(sub, (void **)&reply) == REDIS_OK && strcmp(reply->element[2]->str, "one") == 0);
    freeReplyObject(reply);
    CHECK(redisGetReply(sub, (void **)&reply) == REDIS_OK && strcmp(reply->element[3]->str, "two") == 0);
    freeReplyObject(reply);
    redisFree(sub);
    shown("pubsub");
}

static void blocking(redisContext *c) {
    redisContext *waits = reach(PORT);
    CHECK(redisAppendCommand(waits, "BLPOP jobs 10") == REDIS_OK);
    int done = 0;
    while (!done) CHECK(redisBufferWrite(waits, &done) == REDIS_OK);
    usleep(50000);
    CHECK(number(c, "RPUSH jobs job") == 1);
    redisReply *reply;
    CHECK(redisGetReply(waits, (void **)&reply) == REDIS_OK && strcmp(reply->element[1]->str, "job") == 0);
    freeReplyObject(reply);
    double started = now();
    reply = redisCommand(waits, "BLPOP jobs 0.2");
    CHECK(reply->type == REDIS_REPLY_NIL && now() - started > 0.15);
    freeReplyObject(reply);
    redisFree(waits);
    shown("blocking");
}

static void scripts(redisContext *c) {
    const char *add = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    redisReply *reply = redisCommand(c, "EVALSHA %s 1 sum 5", "ffffffffffffffffffffffffffffffffffffffff");
    CHECK(reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOSCRIPT", 8) == 0);
    freeReplyObject(reply);
    redisReply *sha = redisCommand(c, "SCRIPT LOAD %s", add);
    CHECK(sha->len == 40);
    for (int expected = 5; expected <= 10; expected += 5) {
        reply = redisCommand(c, "EVALSHA %s 1 sum 5", sha->str);
        CHECK(reply->integer == expected);
        freeReplyObject(reply);
    }
    freeReplyObject(sha);
    shown("script");
}

static redisContext *reconnects(redisContext *c) {
    for (int round = 0; round < 2; round++) {
        control(round ? "kill" : "restart");
        CHECK(redisCommand(c, "GET n") == NULL && c->err != 0);
        if (redisReconnect(c) != REDIS_OK) {
            redisFree(c);
            c = reach(PORT);
        }
        expect(c, "GET n", "2");
    }
    shown("reconnect");
    return c;
}

static void cuts(redisContext *c) {
    char *big = malloc(BIG), line[40];
    int after[] = {0, 1, 5, 1000, 100000};
    memset(big, 'x', BIG);
    freeReplyObject(redisCommand(c, "SET big %b", big, (size_t)BIG));
    for (int i = 0; i < 5; i++) {
        redisContext *cut = reach(PROXY);
        snprintf(line, sizeof line, "cut %d", after[i]);
        control(line);
        CHECK(redisCommand(cut, "GET big") == NULL && cut->err == REDIS_ERR_EOF);
        CHECK(redisCommand(cut, "GET n") == NULL);
        redisFree(cut);
        cut = reach(PROXY);
        redisReply *reply = redisCommand(cut, "GET big");
        CHECK(reply->len == BIG && memcmp(reply->str, big, BIG) == 0);
        freeReplyObject(reply);
        redisFree(cut);
    }
    free(big);
    shown("cut");
}

/* What was confirmed is there at the end, though servers come and go. */
static void load(double seconds) {
    redisContext *c = reach(PORT);
    freeReplyObject(redisCommand(c, "DEL load:hiredis load:hiredis:hash"));
    long long confirmed = 0, asked = 0;
    double until = now() + seconds;
    while (now() < until) {
        asked++;
        redisAppendCommand(c, "MULTI");
        redisAppendCommand(c, "INCR load:hiredis");
        redisAppendCommand(c, "HSET load:hiredis:hash %lld 1", asked);
        redisAppendCommand(c, "EXEC");
        for (int i = 0; i < 4; i++) {
            redisReply *reply;
            if (redisGetReply(c, (void **)&reply) != REDIS_OK) {
                redisFree(c);
                c = reach(PORT);
                break;
            }
            if (i == 3 && reply->type == REDIS_REPLY_ARRAY) confirmed = reply->element[0]->integer;
            freeReplyObject(reply);
        }
        usleep(1000);
    }
    redisFree(c);
    c = reach(PORT);
    redisReply *reply = redisCommand(c, "GET load:hiredis");
    long long counted = atoll(reply->str);
    freeReplyObject(reply);
    CHECK(confirmed <= counted && counted > 0 && number(c, "HLEN load:hiredis:hash") == counted);
    redisFree(c);
    printf("shown load: %lld of %lld\n", counted, asked);
}

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "load") == 0) {
        load(atof(argv[2]));
        return 0;
    }
    redisContext *c = reach(PORT);
    expect(c, "FLUSHALL", "OK");
    expect(c, "SET greeting hello", "OK");
    expect(c, "GET greeting", "hello");
    shown("connect");
    pipelines(c);
    transactions(c);
    messages(c);
    blocking(c);
    scripts(c);
    c = reconnects(c);
    cuts(c);
    redisFree(c);
    return 0;
}
