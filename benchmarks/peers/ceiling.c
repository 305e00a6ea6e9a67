/* The broker's own ceiling: publishes prepared frames with many confirms in flight.
 *
 * usage: ceiling HOST PORT VHOST USER PASSWORD WINDOW FILE
 *
 * FILE holds, for each message, a 32-bit big-endian length and the frames of one
 * basic.publish on channel 1. Prints: messages seconds cpu-seconds.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int fd;
static uint8_t in[1 << 20];
static size_t filled, taken;

static void fail(const char *what) {
    fprintf(stderr, "ceiling: %s\n", what);
    exit(1);
}

static uint32_t u32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static void put16(uint8_t **p, unsigned value) {
    *(*p)++ = value >> 8;
    *(*p)++ = value;
}

static void put32(uint8_t **p, uint32_t value) {
    put16(p, value >> 16);
    put16(p, value & 0xffff);
}

static void send_all(const uint8_t *data, size_t size) {
    while (size) {
        ssize_t sent = write(fd, data, size);
        if (sent <= 0) fail("write");
        data += sent;
        size -= sent;
    }
}

static void send_method(unsigned channel, unsigned class_id, unsigned method,
                        const uint8_t *arguments, size_t size) {
    uint8_t frame[1024], *p = frame;
    *p++ = 1;
    put16(&p, channel);
    put32(&p, 4 + size);
    put16(&p, class_id);
    put16(&p, method);
    memcpy(p, arguments, size);
    p += size;
    *p++ = 0xce;
    send_all(frame, p - frame);
}

/* Returns the payload of the next method frame; others (heartbeats) are left out. */
static const uint8_t *next_method(size_t *size) {
    for (;;) {
        size_t have = filled - taken;
        if (have >= 7) {
            const uint8_t *frame = in + taken;
            size_t length = u32(frame + 3);
            if (have >= length + 8) {
                taken += length + 8;
                if (frame[0] != 1) continue;
                *size = length;
                return frame + 7;
            }
        }
        memmove(in, in + taken, have);
        filled = have;
        taken = 0;
        ssize_t got = read(fd, in + filled, sizeof in - filled);
        if (got <= 0) fail("the broker closed the connection");
        filled += got;
    }
}

static void expect(unsigned class_id, unsigned method) {
    size_t size;
    const uint8_t *p = next_method(&size);
    if ((p[0] << 8 | p[1]) != class_id || (p[2] << 8 | p[3]) != method) fail("unexpected method");
}

static void handshake(const char *vhost, const char *user, const char *password) {
    uint8_t buffer[1024], *p = buffer;
    send_all((const uint8_t *)"AMQP\0\0\x09\x01", 8);
    expect(10, 10);
    put32(&p, 0); /* client properties */
    memcpy(p, "\x05PLAIN", 6);
    p += 6;
    put32(&p, 2 + strlen(user) + strlen(password));
    p += sprintf((char *)p, "%c%s%c%s", 0, user, 0, password);
    memcpy(p, "\x05" "en_US", 6);
    send_method(0, 10, 11, buffer, p + 6 - buffer);
    expect(10, 30);
    p = buffer;
    put16(&p, 2047);
    put32(&p, 131072);
    put16(&p, 0); /* no heartbeat */
    send_method(0, 10, 31, buffer, p - buffer);
    p = buffer;
    *p++ = strlen(vhost);
    p += sprintf((char *)p, "%s", vhost);
    *p++ = 0;
    *p++ = 0;
    send_method(0, 10, 40, buffer, p - buffer);
    expect(10, 41);
    send_method(1, 20, 10, (const uint8_t *)"\0", 1);
    expect(20, 11);
    send_method(1, 85, 10, (const uint8_t *)"\0", 1);
    expect(85, 11);
}

static double now(void) {
    struct timeval t;
    gettimeofday(&t, NULL);
    return t.tv_sec + t.tv_usec / 1e6;
}

static double cpu(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static uint8_t *load(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) fail("cannot open the messages");
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    uint8_t *data = malloc(*size);
    if (!data || fread(data, 1, *size, file) != *size) fail("cannot read the messages");
    fclose(file);
    return data;
}

int main(int argc, char **argv) {
    if (argc != 8) fail("usage: ceiling HOST PORT VHOST USER PASSWORD WINDOW FILE");
    size_t size;
    uint8_t *messages = load(argv[7], &size);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *address;
    if (getaddrinfo(argv[1], argv[2], &hints, &address)) fail("unknown host");
    fd = socket(address->ai_family, SOCK_STREAM, 0);
    if (connect(fd, address->ai_addr, address->ai_addrlen)) fail("cannot connect");
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    handshake(argv[3], argv[4], argv[5]);

    size_t total = 0, place = 0, window = atoi(argv[6]);
    for (size_t at = 0; at < size; at += 4 + u32(messages + at)) total++;
    uint8_t *confirmed = calloc(total + 1, 1);
    size_t sent = 0, done = 0, low = 1;
    static uint8_t out[1 << 17];
    double start = now(), burnt = cpu();
    while (done < total) {
        size_t pending = 0;
        while (sent < total && sent - done < window) {
            size_t length = u32(messages + place);
            if (pending + length > sizeof out) break;
            memcpy(out + pending, messages + place + 4, length);
            pending += length;
            place += 4 + length;
            sent++;
        }
        if (pending) {
            send_all(out, pending);
            if (sent < total && sent - done < window) continue;
        }
        do {
            size_t length;
            const uint8_t *p = next_method(&length);
            if ((p[0] << 8 | p[1]) != 60 || (p[2] << 8 | p[3]) != 80) fail("not an ack");
            size_t tag = u32(p + 8), first = p[12] & 1 ? low : tag;
            for (size_t each = first; each <= tag; each++) {
                done += !confirmed[each];
                confirmed[each] = 1;
            }
            while (low <= total && confirmed[low]) low++;
        } while (filled - taken >= 21); /* an ack's frame */
    }
    printf("%zu %.6f %.6f\n", total, now() - start, cpu() - burnt);
    return 0;
}
