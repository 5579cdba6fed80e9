/* A program that routes prompts from its command line:
 *
 *     vibe-route BUNDLE "what is 2+2?" "Design a distributed consensus algorithm"
 *
 * Without a prompt it replays the file's golden sample. It ends with the status of vibe_router.h. */
#include <stdio.h>
#include <string.h>

#if defined(_WIN32)
#include <stdlib.h>
/* Before shellapi.h, which needs its types. */
#include <windows.h>

#include <shellapi.h>
#endif

#include "vibe_router.h"

static int report(const VibeRouterError *error) {
    fprintf(stderr, "vibe-route: %s\n", error->message);
    return error->status;
}

static int route(VibeRouter *router, const char *prompt) {
    static const char *const reasons[] = {"score", "pinned", "fallback"};
    VibeRouterDecision decision;
    VibeRouterError error;
    if (vibe_router_route(router, prompt, strlen(prompt), 0, &decision, &error)) return report(&error);
    printf("%s\tp_cloud %.17g\tthreshold %.17g\t%d tokens%s\t%s\n",
           decision.target == VIBE_ROUTER_CLOUD ? "cloud" : "device", decision.p_cloud, decision.threshold,
           decision.tokens, decision.truncated ? ", truncated" : "", reasons[decision.reason]);
    return 0;
}

#if defined(_WIN32)
/* Arguments arrive in the code page of the system; replace them with the same arguments in UTF-8. */
static void read_arguments(int *count, char ***arguments) {
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), count);
    if (!wide || !(*arguments = calloc((size_t)*count + 1, sizeof **arguments))) exit(VIBE_ROUTER_NO_MEMORY);
    for (int place = 0; place < *count; place++) {
        int bytes = WideCharToMultiByte(CP_UTF8, 0, wide[place], -1, 0, 0, 0, 0);
        if (!((*arguments)[place] = malloc((size_t)bytes))) exit(VIBE_ROUTER_NO_MEMORY);
        WideCharToMultiByte(CP_UTF8, 0, wide[place], -1, (*arguments)[place], bytes, 0, 0);
    }
    LocalFree(wide);
}
#else
static void read_arguments(int *count, char ***arguments) { (void)count, (void)arguments; }
#endif

int main(int count, char **arguments) {
    VibeRouter *router;
    VibeRouterError error;
    read_arguments(&count, &arguments);
    if (count < 2) {
        fprintf(stderr, "usage: vibe-route BUNDLE [PROMPT ...]\n");
        return VIBE_ROUTER_BAD_ARGUMENT;
    }
    if (vibe_router_open(arguments[1], 0, &router, &error)) return report(&error);
    int status = 0;
    for (int place = 2; place < count && !status; place++) status = route(router, arguments[place]);
    if (count == 2) {
        status = vibe_router_self_test(router, &error);
        if (status) report(&error);
        else puts("the golden sample is as it should be");
    }
    vibe_router_close(router);
    return status;
}
